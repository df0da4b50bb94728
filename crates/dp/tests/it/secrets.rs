//! What holds keys, draws or sums of gradients cannot be written, printed or copied: a fact for the compiler.

use cloister_dp::{ClippedSum, NoiseSource, Sampler};

/// Does not compile if the type implements the trait: the function would then have two sources.
macro_rules! assert_implements_none {
    ($secret:ty: $($property:path),+) => {
        $({
            trait Ambiguous<Marker> {
                fn is_unique() -> bool {
                    true
                }
            }
            struct Forbidden;
            impl<T: ?Sized> Ambiguous<()> for T {}
            impl<T: ?Sized + $property> Ambiguous<Forbidden> for T {}
            assert!(<$secret as Ambiguous<_>>::is_unique());
        })+
    };
}

macro_rules! assert_secret {
    ($($secret:ty),+) => {
        $(assert_implements_none!(
            $secret: std::fmt::Debug, std::fmt::Display, Clone, serde::Serialize, serde::de::DeserializeOwned
        );)+
    };
}

#[test]
fn keys_and_sums_can_neither_be_written_nor_printed_nor_copied() {
    assert_secret!(NoiseSource, Sampler, ClippedSum);
}
