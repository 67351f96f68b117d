"""The `zongji` command."""
