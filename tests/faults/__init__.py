"""Faults: of files, of disks, of processes."""
