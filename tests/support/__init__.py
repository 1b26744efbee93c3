"""What the tests run on: real servers on free ports, and the simulator as its own process."""
