"""What recovery can do, one file each: `ACTION` with its plan and its repeatable steps."""
