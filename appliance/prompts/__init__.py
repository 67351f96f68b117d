"""Shipped voice prompts: sentences here, sound made at set-up (`python -m appliance.prompts.build`)."""
