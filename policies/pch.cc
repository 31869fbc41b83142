// Holds the precompiled header of pure code; there is nothing else to compile.
