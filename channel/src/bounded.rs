//! Decoding what a hostile peer sent, in bounded depth and time.
//!
//! postcard reads no more than there is. Two things it leaves to the types: a recursive type takes
//! one stack frame for each level, and the level may cost one byte; a list of values without
//! content takes no byte at all, so that its length is only a number. This deserialiser stands
//! between postcard and the types and bounds both.

use std::cell::Cell;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// How deep values may be nested: structures, variants, options, lists, one in another.
pub(crate) const DEPTH: usize = 128;
/// How many elements all lists and maps together may have beyond one for each byte.
pub(crate) const ELEMENTS: usize = 64 << 10;

/// What is left.
#[derive(Debug)]
pub(crate) struct Bounds {
    depth: Cell<usize>,
    elements: Cell<usize>,
}

impl Bounds {
    /// For a payload of this length.
    pub(crate) fn new(length: usize) -> Self {
        Self { depth: Cell::new(DEPTH), elements: Cell::new(length.saturating_add(ELEMENTS)) }
    }

    /// One level down, until the guard is dropped.
    fn deeper<E: serde::de::Error>(&self) -> Result<Level<'_>, E> {
        let left = self.depth.get().checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        self.depth.set(left);
        Ok(Level(self))
    }

    fn element<E: serde::de::Error>(&self) -> Result<(), E> {
        let left =
            self.elements.get().checked_sub(1).ok_or_else(|| E::custom("too many elements"))?;
        self.elements.set(left);
        Ok(())
    }
}

struct Level<'a>(&'a Bounds);

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.0.depth.set(self.0.depth.get() + 1);
    }
}

/// Anything of serde's, with the bounds.
pub(crate) struct Bounded<'a, T> {
    inner: T,
    bounds: &'a Bounds,
    /// Whether its elements are as many as the peer says.
    counted: bool,
}

impl<'a, T> Bounded<'a, T> {
    pub(crate) fn new(inner: T, bounds: &'a Bounds) -> Self {
        Self { inner, bounds, counted: false }
    }
}

macro_rules! pass {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        })*
    };
}

macro_rules! descend {
    ($($method:ident($($argument:ident: $type:ty),*) $counted:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(
            self,
            $($argument: $type,)*
            visitor: V,
        ) -> Result<V::Value, D::Error> {
            let _level = self.bounds.deeper::<D::Error>()?;
            let visitor = Bounded { inner: visitor, bounds: self.bounds, counted: $counted };
            self.inner.$method($($argument,)* visitor)
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, D> {
    type Error = D::Error;

    pass! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32
        deserialize_i64 deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char
        deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
        deserialize_unit deserialize_identifier deserialize_ignored_any
    }

    descend! {
        deserialize_option() false;
        deserialize_newtype_struct(name: &'static str) false;
        deserialize_seq() true;
        deserialize_map() true;
        deserialize_tuple(len: usize) false;
        deserialize_tuple_struct(name: &'static str, len: usize) false;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) false;
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) false;
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_unit_struct(name, visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// What postcard hands to the visitors of nested values is wrapped again.
impl<'de, V: Visitor<'de>> Visitor<'de> for Bounded<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Bounded::new(inner, self.bounds))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Bounded::new(inner, self.bounds))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Bounded { inner, bounds: self.bounds, counted: self.counted })
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Bounded { inner, bounds: self.bounds, counted: self.counted })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(Bounded::new(inner, self.bounds))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Bounded<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Bounded::new(inner, self.bounds))
    }
}

/// The room that is made for elements in advance is for no more than there can be.
fn hint(bounds: &Bounds, inner: Option<usize>) -> Option<usize> {
    inner.map(|claimed| claimed.min(bounds.elements.get()))
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        if self.counted {
            self.bounds.element::<A::Error>()?;
        }
        self.inner.next_element_seed(Bounded::new(seed, self.bounds))
    }

    fn size_hint(&self) -> Option<usize> {
        hint(self.bounds, self.inner.size_hint())
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        if self.counted {
            self.bounds.element::<A::Error>()?;
        }
        self.inner.next_key_seed(Bounded::new(seed, self.bounds))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Bounded::new(seed, self.bounds))
    }

    fn size_hint(&self) -> Option<usize> {
        hint(self.bounds, self.inner.size_hint())
    }
}

impl<'a, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Bounded<'a, A> {
    type Error = A::Error;
    type Variant = Bounded<'a, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.inner.variant_seed(seed)?;
        Ok((value, Bounded::new(variant, self.bounds)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(Bounded::new(seed, self.bounds))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(len, Bounded::new(visitor, self.bounds))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, Bounded::new(visitor, self.bounds))
    }
}
