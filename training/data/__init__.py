"""Images and matrices as input of networks. Needs neither ROOT nor `analysis`."""
