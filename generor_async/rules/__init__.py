"""Pure rules: functions of a state and of `now`, without await, clock, randomness or I/O."""
