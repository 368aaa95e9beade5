//! What a local object database can answer: revisions, commits, differences, and new commits. Blocking; no network.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gix::bstr::{BStr, ByteSlice};
use gix::objs::tree::EntryKind as GitKind;
use jiff::Timestamp;
use object::FileTree;

use crate::commit::{CommitId, CommitInfo, Signature, Trailers};
use crate::references::{Head, References};
use crate::repositories::is_fetched;
use crate::tree::{FolderCache, GitTree, shown};
use crate::{Edit, GitError, Sign, Write};

/// A bare (or any) repository on disk with its caches.
pub(crate) struct Objects {
    pub(crate) url: String,
    repository: gix::ThreadSafeRepository,
    folders: Arc<FolderCache>,
}

/// One file that a commit changed: its content before and after, as blob ids.
struct Change {
    path: String,
    before: Option<(gix::ObjectId, GitKind)>,
    after: Option<(gix::ObjectId, GitKind)>,
}

impl Objects {
    /// # Errors
    /// When there is no repository at `path`.
    pub(crate) fn open(url: &str, path: &Path) -> Result<Self, GitError> {
        let options = gix::open::Options::isolated();
        let repository = gix::open_opts(path, options)
            .map_err(|error| GitError::NotFound { url: url.to_owned(), reason: error.to_string() })?;
        Ok(Self { url: url.to_owned(), repository: repository.into_sync(), folders: Arc::default() })
    }

    /// # Errors
    /// When a repository on this machine is, or shares files with, one of the copies in `cache`: those belong to others,
    /// whom their host asked for credentials.
    pub(crate) fn outside(&self, path: &Path, cache: &Path) -> Result<(), GitError> {
        let Ok(cache) = cache.canonicalize() else { return Ok(()) };
        let git = self.git();
        let (own, common) = (git.git_dir().to_owned(), git.common_dir().to_owned());
        let borrowed = git.objects.store_ref().alternate_db_paths().map_err(|error| self.storage(error))?;
        let parts = ["objects", "objects/pack", "refs", "packed-refs", "HEAD"].map(|part| common.join(part));
        let places = [path.to_owned(), own, common].into_iter().chain(parts).chain(borrowed);
        // what is not there is not read
        match places.filter_map(|place| place.canonicalize().ok()).any(|place| place.starts_with(&cache)) {
            true => Err(GitError::NotFound {
                url: self.url.clone(),
                reason: "it lies in the folder for copies of other repositories".to_owned(),
            }),
            false => Ok(()),
        }
    }

    pub(crate) fn git(&self) -> gix::Repository {
        self.repository.to_thread_local()
    }

    pub(crate) fn storage(&self, error: impl std::fmt::Display) -> GitError {
        GitError::Storage { url: self.url.clone(), reason: error.to_string() }
    }

    fn missing(&self, what: &'static str, id: impl std::fmt::Display, error: impl std::fmt::Display) -> GitError {
        GitError::Object { url: self.url.clone(), what, id: id.to_string(), reason: error.to_string() }
    }

    /// All references, with HEAD.
    ///
    /// # Errors
    /// When one of the branches or tags cannot be read: then nobody knows which there are.
    pub(crate) fn references(&self) -> Result<References, GitError> {
        let git = self.git();
        let incomplete = |reason: String| GitError::Incomplete { url: self.url.clone(), reason };
        let unread = |e: &dyn std::fmt::Display| incomplete(format!("a reference cannot be read: {e}"));
        let platform = git.references().map_err(|e| unread(&e))?;
        let mut names = BTreeMap::new();
        for reference in platform.all().map_err(|e| unread(&e))? {
            let mut reference = reference.map_err(|e| unread(&e))?;
            let name = reference.name().as_bstr().to_string();
            let dangling =
                reference.target().try_name().is_some_and(|to| !git.try_find_reference(to).is_ok_and(|f| f.is_some()));
            match reference.peel_to_id() {
                Ok(id) => {
                    names.insert(name, CommitId(id.detach()));
                }
                // a name for another name that is not there is as good as none; others of ours hold no promise
                Err(_) if dangling || !is_fetched(&name) => {}
                Err(error) => return Err(incomplete(format!("{name} cannot be read: {error}"))),
            }
        }
        Ok(References::new(names, self.head(&git)?))
    }

    fn head(&self, git: &gix::Repository) -> Result<Head, GitError> {
        use gix::head::Kind;
        let incomplete = |reason: String| GitError::Incomplete { url: self.url.clone(), reason };
        let head = git.head().map_err(|e| incomplete(format!("HEAD cannot be read: {e}")))?;
        Ok(match head.kind {
            Kind::Symbolic(branch) => Head::Branch(branch.name.as_bstr().to_string()),
            Kind::Unborn(name) => Head::Branch(name.as_bstr().to_string()),
            Kind::Detached { target, peeled } => Head::Detached(CommitId(peeled.unwrap_or(target))),
        })
    }

    /// What a copy has: references that cannot be read are left out, they are written again.
    pub(crate) fn copied(&self) -> Result<BTreeMap<String, CommitId>, GitError> {
        let git = self.git();
        let platform = git.references().map_err(|e| self.storage(e))?;
        let all = platform.all().map_err(|e| self.storage(e))?.flatten();
        let peeled = |mut reference: gix::Reference<'_>| {
            let name = reference.name().as_bstr().to_string();
            Some((name, CommitId(reference.peel_to_id().ok()?.detach())))
        };
        Ok(all.filter_map(peeled).collect())
    }

    pub(crate) fn has(&self, id: CommitId) -> bool {
        self.git().find_commit(id.0).is_ok()
    }

    pub(crate) fn tree(&self, commit: CommitId) -> Result<FileTree, GitError> {
        let git = self.git();
        let found = git.find_commit(commit.0).map_err(|e| self.missing("commit", commit, e))?;
        self.tree_at(found.tree_id().map_err(|e| self.missing("the tree of commit", commit, e))?.detach())
    }

    /// The files below a tree object.
    pub(crate) fn tree_at(&self, root: gix::ObjectId) -> Result<FileTree, GitError> {
        let reader = GitTree { repository: self.repository.clone(), root, folders: Arc::clone(&self.folders) };
        Ok(FileTree::new(Arc::new(reader)))
    }

    pub(crate) fn info(&self, id: CommitId) -> Result<CommitInfo, GitError> {
        let git = self.git();
        let commit = git.find_commit(id.0).map_err(|e| self.missing("commit", id, e))?;
        let decoded = commit.decode().map_err(|e| self.missing("commit", id, e))?;
        let message = decoded.message.to_str_lossy().into_owned();
        let (subject, body) = message.split_once('\n').unwrap_or((message.as_str(), ""));
        let author = commit.author().map_err(|e| self.missing("the author of commit", id, e))?;
        let committer = commit.committer().map_err(|e| self.missing("the committer of commit", id, e))?;
        Ok(CommitInfo {
            id,
            parents: commit.parent_ids().map(|p| CommitId(p.detach())).collect(),
            tree: decoded.tree().to_string(),
            author: signature(author),
            committer: signature(committer),
            subject: subject.trim().to_owned(),
            body: body.trim().to_owned(),
            trailers: Trailers::parse(&message),
        })
    }

    /// Commits reachable from `from` but not from `until`, newest first, `limit` at most.
    pub(crate) fn log(
        &self,
        from: CommitId,
        until: Option<CommitId>,
        limit: usize,
    ) -> Result<Vec<CommitInfo>, GitError> {
        let git = self.git();
        let walk = git.rev_walk([from.0]).with_hidden(until.map(|u| u.0)).all().map_err(|e| self.storage(e))?;
        let mut commits = Vec::new();
        for step in walk.take(limit) {
            // a shallow copy ends early: what is there is the answer
            let Ok(step) = step else { break };
            commits.push(self.info(CommitId(step.id))?);
        }
        Ok(commits)
    }

    /// Paths of files that differ between two commits.
    pub(crate) fn changed_paths(&self, old: CommitId, new: CommitId) -> Result<Vec<String>, GitError> {
        Ok(self.changes(old, new)?.into_iter().map(|c| c.path).collect())
    }

    fn changes(&self, old: CommitId, new: CommitId) -> Result<Vec<Change>, GitError> {
        let git = self.git();
        let root = |id: CommitId| -> Result<gix::ObjectId, GitError> {
            let commit = git.find_commit(id.0).map_err(|e| self.missing("commit", id, e))?;
            Ok(commit.tree_id().map_err(|e| self.missing("commit", id, e))?.detach())
        };
        let mut changes = Vec::new();
        self.compare_folders(&git, Some(root(old)?), Some(root(new)?), "", &mut changes)?;
        Ok(changes)
    }

    fn compare_folders(
        &self,
        git: &gix::Repository,
        old: Option<gix::ObjectId>,
        new: Option<gix::ObjectId>,
        path: &str,
        changes: &mut Vec<Change>,
    ) -> Result<(), GitError> {
        if old == new {
            return Ok(());
        }
        let entries = |id: Option<gix::ObjectId>| -> Result<BTreeMap<String, (gix::ObjectId, GitKind)>, GitError> {
            let Some(id) = id else { return Ok(BTreeMap::new()) };
            let tree = git.find_tree(id).map_err(|e| self.missing("folder", id, e))?;
            let mut map = BTreeMap::new();
            for entry in tree.iter() {
                let entry = entry.map_err(|e| self.storage(e))?;
                map.insert(entry.filename().to_string(), (entry.oid().to_owned(), entry.mode().kind()));
            }
            Ok(map)
        };
        let (before, mut after) = (entries(old)?, entries(new)?);
        let mut pairs: Vec<_> = before
            .into_iter()
            .map(|(name, b)| {
                let a = after.remove(&name);
                (name, Some(b), a)
            })
            .collect();
        pairs.extend(after.into_iter().map(|(name, a)| (name, None, Some(a))));
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, before, after) in pairs.into_iter().filter(|(_, b, a)| b != a) {
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            let folder = |e: Option<(gix::ObjectId, GitKind)>| e.filter(|(_, k)| *k == GitKind::Tree).map(|(id, _)| id);
            let file = |e: Option<(gix::ObjectId, GitKind)>| e.filter(|(_, k)| *k != GitKind::Tree);
            self.compare_folders(git, folder(before), folder(after), &path, changes)?;
            if file(before) != file(after) {
                changes.push(Change { path, before: file(before), after: file(after) });
            }
        }
        Ok(())
    }

    /// The edits that undo `commit` on top of `head`: the parent's content of every file that the commit changed and
    /// nobody after it.
    pub(crate) fn revert_edits(&self, commit: CommitId, head: CommitId) -> Result<Vec<Edit>, GitError> {
        let git = self.git();
        let parent = self.info(commit)?.parents.first().copied();
        let parent = parent.ok_or_else(|| self.missing("the parent of commit", commit, "it is the first one"))?;
        let now = self.tree(head)?;
        let (mut edits, mut conflicts) = (Vec::new(), Vec::new());
        for change in self.changes(parent, commit)? {
            let live = now.entry(&change.path).map_err(|e| self.storage(e))?.map(|e| e.id.0.to_string());
            let content = |id: Option<(gix::ObjectId, GitKind)>| -> Result<Option<Vec<u8>>, GitError> {
                let Some((id, _)) = id else { return Ok(None) };
                Ok(Some(git.find_blob(id).map_err(|e| self.missing("file", id, e))?.take_data()))
            };
            let hex = |id: Option<(gix::ObjectId, GitKind)>| id.map(|(id, _)| id.to_hex().to_string());
            if live == hex(change.after) {
                edits.push((change.path, content(change.before)?));
            } else if live == hex(change.before) {
                // somebody undid it already
            } else {
                let current = now.read(&change.path).map_err(|e| self.storage(e))?.map(|b| b.to_vec());
                match (content(change.after)?, current, content(change.before)?) {
                    (Some(base), Some(ours), Some(theirs)) => match merge_lines(&base, &ours, &theirs) {
                        Some(merged) => edits.push((change.path, Some(merged))),
                        None => conflicts.push(change.path),
                    },
                    _ => conflicts.push(change.path),
                }
            }
        }
        if conflicts.is_empty() {
            return Ok(edits);
        }
        Err(GitError::RevertConflict { url: self.url.clone(), commit, paths: shown(&conflicts) })
    }

    /// The tree object of two commits merged. No program that a configuration names is run: none is read.
    pub(crate) fn merge(&self, ours: CommitId, theirs: CommitId) -> Result<gix::ObjectId, GitError> {
        let git = self.git();
        let options = git.tree_merge_options().map_err(|e| self.storage(e))?;
        let labels = gix::merge::blob::builtin_driver::text::Labels::default();
        let merged = git.merge_commits(ours.0, theirs.0, labels, options.into()).map_err(|e| self.storage(e))?;
        let mut tree = merged.tree_merge;
        let unresolved = gix::merge::tree::TreatAsUnresolved::git();
        if tree.has_unresolved_conflicts(unresolved) {
            let open = tree.conflicts.iter().filter(|conflict| conflict.is_unresolved(unresolved));
            let paths: Vec<String> = open.map(|conflict| conflict.ours.location().to_string()).collect();
            let paths = shown(&paths);
            return Err(GitError::MergeConflict { url: self.url.clone(), ours, theirs, paths });
        }
        Ok(tree.tree.write().map_err(|e| self.storage(e))?.detach())
    }

    /// Writes blobs, trees and the commit; no reference moves.
    pub(crate) fn commit(&self, write: &Write) -> Result<CommitId, GitError> {
        let git = self.git();
        let root = match write.merge {
            Some(theirs) => self.merge(write.base, theirs)?,
            None => {
                let base = git.find_commit(write.base.0).map_err(|e| self.missing("commit", write.base, e))?;
                base.tree_id().map_err(|e| self.missing("the tree of commit", write.base, e))?.detach()
            }
        };
        let root = git.find_tree(root).map_err(|e| self.storage(e))?;
        let mut editor = git.edit_tree(root.id).map_err(|e| self.storage(e))?;
        for (path, content) in &write.edits {
            match content {
                None => {
                    editor.remove(path.as_str()).map_err(|e| self.storage(e))?;
                }
                Some(bytes) => {
                    let known = root.lookup_entry_by_path(path).map_err(|e| self.storage(e))?;
                    let kind = known.map_or(GitKind::Blob, |e| e.mode().kind());
                    let blob = git.write_blob(bytes).map_err(|e| self.storage(e))?;
                    editor.upsert(path.as_str(), kind, blob).map_err(|e| self.storage(e))?;
                }
            }
        }
        let tree = editor.write().map_err(|e| self.storage(e))?.detach();
        let parents: Vec<CommitId> = [write.base].into_iter().chain(write.merge).collect();
        let mut message = write.message.clone();
        if let Some(Sign(sign)) = &write.sign {
            let parents: Vec<String> = parents.iter().map(ToString::to_string).collect();
            message.push_str(&format!("{}\n", sign(&parents, &tree.to_string())));
        }
        let (author, committer) = (raw_signature(&write.author), raw_signature(&write.committer));
        let mut buffers = (gix::date::parse::TimeBuf::default(), gix::date::parse::TimeBuf::default());
        let commit = git
            .new_commit_as(
                committer.to_ref(&mut buffers.0),
                author.to_ref(&mut buffers.1),
                &message,
                tree,
                parents.into_iter().map(|parent| parent.0),
            )
            .map_err(|e| self.storage(e))?;
        Ok(CommitId(commit.id))
    }

    /// A commit without a parent; no reference moves.
    pub(crate) fn first_commit(
        &self,
        files: &[(String, Vec<u8>)],
        message: &str,
        author: &Signature,
    ) -> Result<CommitId, GitError> {
        let git = self.git();
        let mut editor = git.edit_tree(git.empty_tree().id).map_err(|e| self.storage(e))?;
        for (path, bytes) in files {
            let blob = git.write_blob(bytes).map_err(|e| self.storage(e))?;
            editor.upsert(path.as_str(), GitKind::Blob, blob).map_err(|e| self.storage(e))?;
        }
        let tree = editor.write().map_err(|e| self.storage(e))?.detach();
        let signature = raw_signature(author);
        let mut buffers = (gix::date::parse::TimeBuf::default(), gix::date::parse::TimeBuf::default());
        let parents: [gix::ObjectId; 0] = [];
        let commit = git.new_commit_as(
            signature.to_ref(&mut buffers.0),
            signature.to_ref(&mut buffers.1),
            message,
            tree,
            parents,
        );
        Ok(CommitId(commit.map_err(|e| self.storage(e))?.id))
    }

    /// The objects that `commit` adds to what `base` reaches: the commit, and every tree and blob that differs.
    pub(crate) fn new_objects(
        &self,
        base: CommitId,
        commit: CommitId,
    ) -> Result<Vec<(gix::objs::Kind, Vec<u8>)>, GitError> {
        let git = self.git();
        let mut found = Vec::new();
        let data = git.find_object(commit.0).map_err(|e| self.missing("commit", commit, e))?;
        found.push((data.kind, data.data.clone()));
        let root = |id: CommitId| -> Result<gix::ObjectId, GitError> {
            Ok(git
                .find_commit(id.0)
                .map_err(|e| self.missing("commit", id, e))?
                .tree_id()
                .map_err(|e| self.storage(e))?
                .detach())
        };
        let mut todo = vec![(Some(root(base)?), root(commit)?)];
        while let Some((old, new)) = todo.pop() {
            if old == Some(new) {
                continue;
            }
            let tree = git.find_tree(new).map_err(|e| self.missing("folder", new, e))?;
            let before = old.and_then(|id| git.find_tree(id).ok());
            for entry in tree.iter() {
                let entry = entry.map_err(|e| self.storage(e))?;
                let name: &BStr = entry.filename();
                let earlier = before
                    .as_ref()
                    .and_then(|b| b.find_entry(name.to_owned()))
                    .map(|e| (e.oid().to_owned(), e.mode().kind()));
                let id = entry.oid().to_owned();
                if earlier.map(|(id, _)| id) == Some(id) || entry.mode().kind() == GitKind::Commit {
                    continue;
                }
                if entry.mode().kind() == GitKind::Tree {
                    todo.push((earlier.filter(|(_, k)| *k == GitKind::Tree).map(|(id, _)| id), id));
                } else {
                    let blob = git.find_object(id).map_err(|e| self.missing("file", id, e))?;
                    found.push((blob.kind, blob.data.clone()));
                }
            }
            found.push((gix::objs::Kind::Tree, tree.data.clone()));
        }
        Ok(found)
    }
}

/// A line-wise three-way merge; `None` when both sides changed the same or neighbouring lines.
fn merge_lines(base: &[u8], ours: &[u8], theirs: &[u8]) -> Option<Vec<u8>> {
    fn lines(bytes: &[u8]) -> Vec<&[u8]> {
        bytes.lines_with_terminator().collect()
    }
    let (base, ours, theirs) = (lines(base), lines(ours), lines(theirs));
    // only edits that keep the number of lines: what promotions write; anything else is for people
    if base.len() != ours.len() || base.len() != theirs.len() {
        return None;
    }
    let mut merged = Vec::new();
    for ((b, o), t) in base.iter().zip(&ours).zip(&theirs) {
        merged.extend_from_slice(match (b == o, b == t) {
            (_, true) => o,
            (true, false) => t,
            (false, false) if o == t => o,
            (false, false) => return None,
        });
    }
    Some(merged)
}

fn signature(raw: gix::actor::SignatureRef<'_>) -> Signature {
    let seconds = raw.time().map(|t| t.seconds).unwrap_or_default();
    Signature {
        name: raw.name.trim().to_str_lossy().into_owned(),
        email: raw.email.trim().to_str_lossy().into_owned(),
        time: Timestamp::from_second(seconds).unwrap_or_default(),
    }
}

fn raw_signature(signature: &Signature) -> gix::actor::Signature {
    gix::actor::Signature {
        name: signature.name.as_str().into(),
        email: signature.email.as_str().into(),
        time: gix::date::Time::new(signature.time.as_second(), 0),
    }
}
