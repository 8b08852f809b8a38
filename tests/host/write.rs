//! What steps leave behind, and what they do not.

use super::*;

#[test]
fn a_new_file_is_whole_and_alone() {
    block_on(async {
        let (folder, path) = place("it's \"new\"\n$(id)");
        let link = link().await;
        assert_eq!(perform(&link, write_to(&path, "a\0b\n", Expect::Absent)).await, Ok(None));
        assert_eq!(fs::read(&path).unwrap(), b"a\0b\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
        assert_eq!(names(folder.path()).len(), 1);
        assert_eq!(link.requests(), 1);
    });
}
