"""What the rules get to read at a tick: which windows are measured, what the clock says, what was measured before."""
