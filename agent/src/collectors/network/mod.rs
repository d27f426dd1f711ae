//! Interfaces, protocols, sockets.
super::collectors! { "network": }
