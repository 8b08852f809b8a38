//! How a request can end other than with its answer.
