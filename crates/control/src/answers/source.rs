//! Which commit set an image, and who wrote it since the release before: they may not approve it.
//!
//! Who wrote it is whoever made a commit that changed what is rendered, and whoever wrote the image into a file that is
//! read: a file that came along all at once, as it was linked in, was written long before. What cannot be told counts.

use std::collections::BTreeSet;

use api::argocd::Application;
use api::gantline::ReleaseSource;
use git::{CommitId, CommitInfo};
use object::{EntryKind, FileTree};
use promotion::{Located, Spot, few};

use super::history::History;
use super::people::people_of;
use super::renders::Renders;
use super::written::{Marks, Written};
use crate::context::Context;
use crate::pipelines::ground;
use crate::pipelines::observe::at_of;
use crate::repositories::Address;

/// How far back is looked.
const HISTORY: usize = 500;

/// `since` is the commit of the release before; empty where there is none. `None`: the Application is not at these
/// commits any more. Where the history does not tell, the commit that was compared stands without an author.
pub(super) async fn ask(cx: &Context, spot: &Spot, since: &str) -> Option<ReleaseSource> {
    let app = cx.application(&spot.application).filter(|app| at_of(app) == spot.at)?;
    let written = ground::written(&app)?;
    // another replica may have compared it: without the commit nobody can tell who wrote it, and that is no author
    cx.repositories.tree(Address::of(written), app.spec.project_name(), ground::synced(&app)).await.ok()?;
    let url = written.repo_url.as_str();
    let source = ReleaseSource {
        repository: url.to_owned(),
        commit: ground::synced(&app).to_owned(),
        ..ReleaseSource::default()
    };
    Some(match Past::of(cx, &app, &spot.image).await {
        Ok(past) => past.told(since, source).await,
        Err(why) => ReleaseSource { unread: format!("who wrote the image cannot be read: {why}"), ..source },
    })
}

/// An image of an Application, and the history of the repository where it is written.
struct Past<'a> {
    cx: &'a Context,
    head: CommitId,
    history: History,
    renders: Renders<'a>,
    located: Located,
    /// What `head` reads of the repository.
    files: Vec<String>,
    /// The newest commits.
    newest: Vec<CommitInfo>,
    people: BTreeSet<String>,
    unread: Vec<String>,
}

impl<'a> Past<'a> {
    async fn of(cx: &'a Context, app: &'a Application, image: &'a str) -> Result<Self, String> {
        let written = ground::written(app).ok_or("the Application has no source")?;
        let repository = cx.repositories.git(Address::of(written), app.spec.project_name());
        let mut history = History::new(repository.map_err(|error| error.to_string())?);
        let head: CommitId = ground::synced(app).parse()?;
        let newest = history.log(head, None, HISTORY).await.map_err(|error| error.to_string())?;
        let tree = history.tree(head).await.ok_or("the commit is not there")?;
        let mut renders = Renders::of(cx, app, image, tree.clone()).await?;
        let now = renders.render(&tree, head).await.ok_or("the commit does not render")?;
        let located = now.located.clone().ok_or("the commit renders no such image")?;
        let is_file = |path: &&str| {
            let entry = tree.reader().entry(path).ok().flatten();
            entry.is_some_and(|entry| entry.kind != EntryKind::Folder)
        };
        let files = now.reads.paths().filter(is_file).map(str::to_owned).collect();
        let (people, unread) = (BTreeSet::new(), Vec::new());
        Ok(Self { cx, head, history, renders, located, files, newest, people, unread })
    }

    async fn told(mut self, since: &str, source: ReleaseSource) -> ReleaseSource {
        let setter = self.setter().await;
        let range = self.range(since, setter.as_ref()).await;
        self.add(setter.iter());
        self.who_changed_what_is_rendered(&range).await;
        self.who_wrote_files(&range, since.parse().ok()).await;
        if setter.is_none() {
            let why = format!("the commit that set the image is not among the last {HISTORY}, or cannot be read");
            self.unread.push(why);
        }
        let source = match setter {
            Some(CommitInfo { id, author, .. }) => ReleaseSource {
                commit: id.to_string(),
                author: author.name,
                email: author.email,
                time: Some(author.time),
                ..source
            },
            None => source,
        };
        ReleaseSource {
            people: self.people.into_iter().collect(),
            unread: few(self.unread).unwrap_or_default(),
            ..source
        }
    }

    fn add<'c>(&mut self, commits: impl IntoIterator<Item = &'c CommitInfo>) {
        for commit in commits {
            self.people.extend(people_of(self.cx, commit));
        }
    }

    /// The newest commit that made the image what it is.
    async fn setter(&mut self) -> Option<CommitInfo> {
        for commit in &self.newest {
            if self.history.changed(commit, &mut self.renders).await {
                let there = self.history.seen(commit.id, &mut self.renders).await;
                if there.and_then(Result::ok).as_ref() == Some(&self.located.image) {
                    return Some(commit.clone());
                }
            }
        }
        None
    }

    /// The commits that came since the release before. Where there is none before, what the commit that set the image
    /// brought: more than itself where it merged.
    async fn range(&mut self, since: &str, setter: Option<&CommitInfo>) -> Vec<CommitInfo> {
        let (from, until) = match (since.parse::<CommitId>(), setter) {
            (Ok(since), _) => (self.head, Some(since)),
            (Err(_), Some(setter)) => (setter.id, setter.parents.first().copied()),
            (Err(_), None) => return Vec::new(),
        };
        let commits = self.history.log(from, until, HISTORY + 1).await.unwrap_or_else(|error| {
            self.unread.push(format!("the commits since the release before cannot be read: {error}"));
            Vec::new()
        });
        if commits.len() > HISTORY {
            self.unread.push(format!("there are more than {HISTORY} commits since the release before"));
        }
        commits
    }

    async fn who_changed_what_is_rendered(&mut self, range: &[CommitInfo]) {
        let mut changed = Vec::new();
        for commit in range {
            if self.history.changed(commit, &mut self.renders).await {
                changed.push(commit);
            }
        }
        if self.renders.too_many {
            self.unread.push("too many commits change what is rendered: all who made one count".to_owned());
            return self.add(range);
        }
        self.add(changed);
    }

    /// Whoever wrote the image into a file: since the release before, else ever.
    async fn who_wrote_files(&mut self, range: &[CommitInfo], since: Option<CommitId>) {
        let Some(now) = self.history.tree(self.head).await else { return };
        let before = match since {
            Some(since) => self.history.tree(since).await.map(|tree| (since, tree)),
            None => None,
        };
        let (mut files, mut known) = (self.written(&now), BTreeSet::new());
        while let Some(mut file) = files.pop() {
            if !known.insert(file.path.clone()) {
                continue;
            }
            let is_older = self.is_older(&mut file, before.as_ref()).await;
            let newest = std::mem::take(&mut self.newest);
            for commit in if is_older { &newest } else { range } {
                // nothing of it waits: others have a turn
                tokio::task::yield_now().await;
                if self.history.changed(commit, &mut file).await {
                    self.add([commit]);
                    let moved = self.history.moved_to(commit, &file.path).await;
                    files.extend(moved.iter().map(|from| file.like(from)));
                }
            }
            self.newest = newest;
            if is_older {
                self.say_what_is_too_old(&mut file).await;
            }
        }
    }

    /// The files in which the image shows. Where it does not show in the one that sets it, it may come of any that was
    /// read, and so it may of those that are no text.
    fn written(&mut self, now: &FileTree) -> Vec<Written> {
        let Located { image, reference, file, place } = &self.located;
        let marks = Marks::of(image);
        let shows = |path: &str| Written::new(path, Some(&marks)).shows(now);
        let is_anywhere = file.is_empty();
        let file = now.resolve(file).unwrap_or_default();
        let is_here = self.renders.is_here(reference) && (is_anywhere || self.files.contains(&file));
        let is_plain = is_here && shows(&file) == Some(true);
        if !is_here {
            self.unread.push(format!("{place}, which sets the image, is no file of this repository"));
        } else if !is_plain && self.renders.reads_others() {
            self.unread.push("the image may come of another repository, which is not looked through".to_owned());
        }
        let written = |path: &String| match shows(path) {
            Some(true) => Some(Written::new(path, Some(&marks))),
            Some(false) if is_plain || !is_here => None,
            Some(false) | None => Some(Written::new(path, None)),
        };
        self.files.iter().filter_map(written).collect()
    }

    /// Whether what a file says of the image may have been there before the release before, where nobody looked.
    async fn is_older(&mut self, file: &mut Written, before: Option<&(CommitId, FileTree)>) -> bool {
        let Some((commit, tree)) = before else { return true };
        match file.shows(tree) {
            Some(shows) => shows,
            None => match self.renders.render(tree, *commit).await {
                Some(render) => !matches!(render.reads.0.get(file.path.as_str()), Some(Some(_))),
                None => true,
            },
        }
    }

    async fn say_what_is_too_old(&mut self, file: &mut Written) {
        let bound = self.newest.get(HISTORY - 1).map(|oldest| oldest.id);
        let Some(oldest) = bound else { return };
        let tree = self.history.tree(oldest).await;
        if tree.is_none_or(|tree| file.is_in(&tree)) {
            self.unread.push(format!("who wrote {} before the last {HISTORY} commits is not looked for", file.path));
        }
    }
}
