"""specbias: train classifiers under interventions and measure the frequency of the functions they learn."""
