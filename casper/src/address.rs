//! Socket addresses on the wire: serde's own lose the scope of an IPv6 address.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An address, with the scope that it has. The flow information does not travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    #[serde(with = "octets")]
    ip: IpAddr,
    port: u16,
    scope: u32,
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let scope = match address {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(address) => address.scope_id(),
        };
        Self { ip: address.ip(), port: address.port(), scope }
    }
}

impl From<Address> for SocketAddr {
    fn from(address: Address) -> Self {
        match address.ip {
            IpAddr::V4(ip) => (ip, address.port).into(),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, address.port, 0, address.scope).into(),
        }
    }
}

/// An address of either family as its bytes, which are read at once, where nobody reads it as text.
mod octets {
    use std::{fmt, net::IpAddr};

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<S: Serializer>(ip: &IpAddr, serializer: S) -> Result<S::Ok, S::Error> {
        match ip {
            ip if serializer.is_human_readable() => ip.serialize(serializer),
            IpAddr::V4(ip) => serializer.serialize_bytes(&ip.octets()),
            IpAddr::V6(ip) => serializer.serialize_bytes(&ip.octets()),
        }
    }

    struct Octets;

    impl de::Visitor<'_> for Octets {
        type Value = IpAddr;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("4 bytes or 16")
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<IpAddr, E> {
            let v4 = || <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
            v4().or_else(|_| v6()).map_err(|_| E::invalid_length(bytes.len(), &self))
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<IpAddr, D::Error> {
        if deserializer.is_human_readable() {
            return IpAddr::deserialize(deserializer);
        }
        deserializer.deserialize_bytes(Octets)
    }
}

/// For `#[serde(with = "crate::address")]`.
pub(crate) fn serialize<S: Serializer>(
    address: &SocketAddr,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    Address::from(*address).serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<SocketAddr, D::Error> {
    Address::deserialize(deserializer).map(SocketAddr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_scope() {
        let scoped = SocketAddrV6::new("fe80::1".parse().unwrap(), 80, 0, 7).into();
        for address in [scoped, "192.0.2.1:80".parse().unwrap(), "[2001:db8::1]:0".parse().unwrap()]
        {
            assert_eq!(SocketAddr::from(Address::from(address)), address);
        }
    }

    #[test]
    fn an_address_travels_as_its_bytes_and_others_are_none() {
        for address in ["192.0.2.1:80", "[2001:db8::1]:443"] {
            let address = Address::from(address.parse::<SocketAddr>().unwrap());
            let bytes = postcard::to_allocvec(&address).unwrap();
            assert_eq!(postcard::from_bytes::<Address>(&bytes), Ok(address));
        }
        for length in (0..=20_u8).filter(|length| ![4, 16].contains(length)) {
            let mut bytes = vec![length];
            bytes.resize(usize::from(length) + 3, 0);
            assert!(postcard::from_bytes::<Address>(&bytes).is_err(), "{length}");
        }
    }
}
