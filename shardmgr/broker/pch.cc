// Holds the precompiled header of code that does I/O; there is nothing else to compile.
