"""What each request passes before its route: who may ask, how much, and for how long."""
