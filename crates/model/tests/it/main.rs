//! Integration tests of the model engine.
