"""The file of a sweep: its content, the values of its axes, its conditions, and the line of any mistake."""
