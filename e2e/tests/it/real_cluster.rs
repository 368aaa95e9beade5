//! The same on a real API server.
