//! Interfaces, protocols, sockets.
super::collectors! { "network": arp::Arp, netdev::Netdev }
