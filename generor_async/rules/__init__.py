"""What decides: plain functions of state and `now`. No await, no clock, no dice, no I/O."""
