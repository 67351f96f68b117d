"""The appliance: call core, real-time engine, store, control, command line."""
