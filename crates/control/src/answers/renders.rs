//! What an Application renders at the commits of a history. A commit that changes nothing of what a render read is not
//! rendered again.

use std::collections::HashMap;

use api::argocd::Application;
use git::CommitId;
use object::{FileTree, ImageRef, ObjectId, ReadSet};
use promotion::Located;

use super::history::Look;
use crate::context::Context;
use crate::pipelines::ground::{Ground, synced};

/// No more are rendered to answer one question.
const MOST: usize = 100;

/// The renders of one Application, looked through for one image.
pub(super) struct Renders<'a> {
    cx: &'a Context,
    app: &'a Application,
    image: &'a str,
    now: Ground,
    all: Vec<Render>,
    by_files: HashMap<ObjectId, usize>,
    /// There would have been more than [`MOST`].
    pub(super) too_many: bool,
}

/// One render.
pub(super) struct Render {
    /// `None`: it has no such image, or not one.
    pub(super) located: Option<Located>,
    /// Of the repository whose history it is.
    pub(super) reads: ReadSet,
}

impl<'a> Renders<'a> {
    /// `head`: the files of the commit that the Application is synced to.
    ///
    /// # Errors
    /// Why that commit cannot be rendered.
    pub(super) async fn of(
        cx: &'a Context,
        app: &'a Application,
        image: &'a str,
        head: FileTree,
    ) -> Result<Self, String> {
        let now = Ground::at(cx, app, head, synced(app)).await?;
        Ok(Self { cx, app, image, now, all: Vec::new(), by_files: HashMap::new(), too_many: false })
    }

    /// Whether files of other repositories may be in it.
    pub(super) fn reads_others(&self) -> bool {
        let references = &self.now.subject.context.references;
        !self.now.subject.source.remotes.is_empty()
            || !Ground::is_written(self.app, "")
            || references.keys().any(|reference| !Ground::is_written(self.app, reference))
    }

    /// Whether files of a `ref` are of the repository whose history it is.
    pub(super) fn is_here(&self, reference: &str) -> bool {
        Ground::is_written(self.app, reference)
    }

    /// `None`: the files cannot be read, or too many were rendered.
    pub(super) async fn render(&mut self, tree: &FileTree, commit: CommitId) -> Option<&Render> {
        let index = self.index(tree, commit).await?;
        self.all.get(index)
    }

    async fn index(&mut self, tree: &FileTree, commit: CommitId) -> Option<usize> {
        let root = tree.reader().entry("").ok()??.id;
        if let Some(known) = self.by_files.get(&root) {
            return Some(*known);
        }
        if self.too_many {
            return None;
        }
        let same = self.all.iter().rposition(|render| render.reads.holds_in(tree));
        if same.is_none() && self.all.len() == MOST {
            self.too_many = true;
            return None;
        }
        let index = same.unwrap_or(self.all.len());
        if same.is_none() {
            let render = self.rendered(tree, commit).await;
            self.all.push(render.unwrap_or_else(|| Render::without_answer(root.clone())));
        }
        self.by_files.insert(root, index);
        Some(index)
    }

    async fn rendered(&self, tree: &FileTree, commit: CommitId) -> Option<Render> {
        let ground = self.now.earlier(self.cx, self.app, tree.clone(), &commit.to_string()).await.ok()?;
        let traced = self.cx.renderer.trace(ground.subject.clone(), self.image).end().await.ok()?;
        Some(Render { located: traced.located.clone().ok(), reads: ground.reads(self.app, traced) })
    }
}

impl Render {
    /// As nobody knows what was read, it holds for the same files only.
    fn without_answer(root: ObjectId) -> Self {
        Self { located: None, reads: ReadSet([("".into(), Some(root))].into()) }
    }
}

/// The image; where there is none, the render.
impl Look for Renders<'_> {
    type Seen = Result<ImageRef, usize>;

    async fn at(&mut self, tree: &FileTree, commit: CommitId) -> Option<Self::Seen> {
        let index = self.index(tree, commit).await?;
        let located = self.all.get(index)?.located.as_ref();
        Some(located.map(|located| located.image.clone()).ok_or(index))
    }
}
