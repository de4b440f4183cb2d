//! A plan, said in a proxy's own words.
