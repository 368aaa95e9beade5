//! Places where a test may end the process at once, before and after something happens outside of it. A build without
//! debug assertions, as every release is, has none of them.
//!
//! A test makes a file `NAME-before` or `NAME-after` in the folder that [`arm`] was given. The first process that comes
//! there renames it to `NAME-before.PID`, and aborts.

macro_rules! points {
    ($($point:ident $id:literal $name:literal $about:literal,)*) => {
        /// What happens there.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Point {
            $(#[doc = $about] $point,)*
        }

        impl Point {
            /// In the order in which they are come to.
            pub const ALL: &[Self] = &[$(Self::$point,)*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$point => $name,)* }
            }

            /// The durable step of the fault table (docs/threats.md); empty for what is not in it.
            pub fn id(self) -> &'static str {
                match self { $(Self::$point => $id,)* }
            }
        }
    };
}

points! {
    Lease "" "lease" "A replica writes its Lease",
    Resolve "s1" "resolve" "A repository is asked for its references",
    Fetch "s2" "fetch" "A pack is received and unpacked",
    Render "s3" "render" "A source is rendered",
    Plan "s4" "plan" "A sync is planned",
    Intent "s5" "intent" "An operation is written down before it is begun",
    PreSync "s6" "pre-sync" "A hook before the sync is created",
    Apply "s7" "apply" "An object is written",
    HealthWait "s8" "health-wait" "An operation rests until objects are healthy, or done",
    PostSync "s9" "post-sync" "A hook after the sync is created",
    Prune "s10" "prune" "An object that is not wanted any more is deleted",
    HookDelete "" "hook-delete" "A hook is deleted",
    Result "s11" "result" "What came of an operation is written down",
    Tell "s12" "tell" "A fact becomes a Kubernetes Event",
    Status "" "status" "A status in which no operation moved is written",
    Cascade "" "cascade" "An object goes with its Application",
    Finalizer "" "finalizer" "The finalizer of an Application is taken away",
    Release "" "release" "A Release is created",
    Open "p1" "open" "A Promotion is created",
    Claim "p3" "claim" "The gates passed: their approvals, and the intent to write, are written down",
    Search "" "search" "Git is searched for the commit of the promotion",
    Gates "p2" "gates" "The gates are judged once more",
    Build "p5" "build" "The commit is built",
    PushSend "p6" "push-send" "The commit is sent",
    PushAnswer "p7" "push-answer" "The answer to the push is read",
    Record "p8" "record" "The commit is written down",
    Refresh "p9" "refresh" "The Application is asked to look at the commit",
    Soak "p10" "soak" "How a release does in an environment is written down",
    Terminal "p11" "terminal" "The end of a promotion is written down",
    SessionEnd "" "session-end" "The list of ended sessions is written",
    Journal "" "journal" "A write of the sandbox is made to last",
}

#[cfg(debug_assertions)]
mod armed {
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;

    use super::Point;

    static FOLDER: OnceLock<PathBuf> = OnceLock::new();

    /// The variable that names the folder; read by the program, not here.
    pub const VARIABLE: Option<&str> = Some("GANTLINE_FAILPOINTS");

    /// From now on the folder says where this process ends.
    pub fn arm(folder: &Path) {
        let _ = FOLDER.set(folder.to_owned());
    }

    /// It is about to happen.
    pub fn before(point: Point) {
        reached(point, "before");
    }

    /// It happened.
    pub fn after(point: Point) {
        reached(point, "after");
    }

    fn reached(point: Point, side: &str) {
        let Some(folder) = FOLDER.get() else { return };
        let name = format!("{}-{side}", point.name());
        // of several processes one can rename it
        let ended = folder.join(format!("{name}.{}", std::process::id()));
        if std::fs::rename(folder.join(name), ended).is_ok() {
            std::process::abort();
        }
    }
}

#[cfg(not(debug_assertions))]
mod armed {
    use std::path::Path;

    use super::Point;

    /// There is no variable that this build reads.
    pub const VARIABLE: Option<&str> = None;

    pub const fn arm(_: &Path) {}

    #[inline(always)]
    pub const fn before(_: Point) {}

    #[inline(always)]
    pub const fn after(_: Point) {}
}

pub use armed::{VARIABLE, after, arm, before};
