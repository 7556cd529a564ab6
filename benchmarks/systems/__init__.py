"""The systems that are measured: how each is started and who its processes are. One file each."""
