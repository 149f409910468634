//! Every printed change releases what it is printed for, or says that there is none. SEMANTICS 3
