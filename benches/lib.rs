//! Criterion benchmarks only; nothing here is used by the other crates.
