//! How bytes reach a place: one long-lived POSIX `sh` a (host, privilege), fed exact-length requests.
//! It knows nothing of files, resources or plans.
