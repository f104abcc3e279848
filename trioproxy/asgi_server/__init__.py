"""All that depends on Hypercorn (0.17.3 to 0.18). Read its source again at each upgrade."""
