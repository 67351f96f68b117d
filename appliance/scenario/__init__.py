"""Stories: a text file drives the whole appliance against the simulated office on the virtual clock.

reading ─► model ─► performance ─► stage ─┬─ box (engine, control, store)
                      │                    ├─ office (lines, telephones)
                      └─► expecting        └─ actors ─► verbs, ear
"""
