//! What a demo prints when it runs: where it is, who may log in, and what to try. Every line that is meant for a shell works
//! pasted into a fresh one, in any folder, and once more.

use server::people::accounts;

use super::commits::overlay;
use super::stage::{ACCOUNTS, NAMESPACE, NEXT_TAG, REPOSITORY, SERVICE, Stage};
use crate::output;
use crate::program::{program, quoted};

pub(super) fn invite(stage: &Stage) {
    output::line(invitation(stage));
}

fn invitation(stage: &Stage) -> String {
    let (url, speed, gantline) = (&stage.url, stage.speed, program());
    let (folder, kubeconfig) = (quoted(&stage.folder), quoted(&stage.kubeconfig));
    let repository = quoted(&stage.commits.repositories.join(format!("{REPOSITORY}.git")));
    let (clone, file) = (quoted(&stage.folder.join("shop")), quoted(&stage.folder.join("shop").join(overlay("dev"))));
    let people = ACCOUNTS.map(|name| format!("{name} / {name}")).join(", ");
    let secret = accounts::INITIAL_PASSWORD_SECRET;
    let password = format!(
        "kubectl --kubeconfig {kubeconfig} -n {NAMESPACE} get secret {secret} -o go-template='{{{{.data.password | base64decode}}}}'"
    );
    format!(
        "Gantline runs: {url}   (time goes {speed} times faster here; Ctrl-C ends it)

  accounts   {people}
  admin      has the password that this prints: {password}
  cluster    export KUBECONFIG={kubeconfig}
  Git        {repository}

Three things to try:
  1. Be CI: push a new version of {SERVICE} to dev, and watch it travel to production's gate on the page; approve
     it there as team-lead. With --bad its pods fail, and it goes no further than dev. As often as you like:
       {gantline} demo push --in {folder}
     The same by hand, once: the image is in the registry, and you write its tag.
       git -C {clone} pull -q 2> /dev/null || git clone -q -c user.name=Dana -c user.email=dana@acme.example {repository} {clone}
       sed -i 's/newTag: .*/newTag: {NEXT_TAG}/' {file}
       git -C {clone} commit -qam 'ci: {SERVICE}'; git -C {clone} pull -q --rebase && git -C {clone} push -q
  2. Change something behind Git's back, and see who is named when it is healed:
       kubectl --kubeconfig {kubeconfig} -n dev scale deployment {SERVICE} --replicas 9
  3. Ask why something does not move:
       {gantline} login {url} --username team-lead --password team-lead
       {gantline} explain {SERVICE}-production"
    )
}
