"""Make files of events: simulate collisions with Pythia 8, convert HepMC files."""
