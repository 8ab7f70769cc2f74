"""The world in a box: replays, shoppers, workloads. Seeded, and in virtual time; floor 6."""
