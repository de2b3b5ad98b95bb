//! Which values are left out of a resource.

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
pub(super) fn is_zero(count: &i32) -> bool {
    *count == 0
}
