"""What the library needs of the machine: files, processes, memory and downloads."""
