// The page: one overview in, then what changes of it; one picture out. The server says everything in words; nothing is decided here.

const $ = (id) => document.getElementById(id)
const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props)
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ''))
  return node
}

let overview = null
let user = { loggedIn: false }
let speed = 1
let stream = null

const now = () => (overview ? overview.at + (Date.now() - overview.received) * speed : Date.now())

async function call(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: body ? { 'content-type': 'application/json' } : {},
    body: body ? JSON.stringify(body) : undefined,
  })
  const text = await response.text()
  let answer = null
  try { answer = text ? JSON.parse(text) : null } catch { /* an answer that is no JSON is an error below */ }
  if (response.status === 401 && path !== '/api/v1/session') showLogin()
  if (!response.ok) throw new Error(answer?.message ?? `${response.status} ${response.statusText}`)
  return answer
}

// --- words and colours -------------------------------------------------------------------------------------------

const tone = { Synced: 'good', Healthy: 'good', OutOfSync: 'wait', Progressing: 'busy', Degraded: 'bad', Missing: 'wait', Suspended: 'wait', Unknown: 'bad',
  Verified: 'good', Converged: 'busy', Soaking: 'busy', Deploying: 'busy', Failed: 'bad' }
const chip = (text, kind) => make('span', { className: `chip ${kind ?? tone[text] ?? ''}`, textContent: text })
const shortTag = (tag) => (tag && tag.length > 16 ? tag.slice(0, 10) : tag)

function ago(time) {
  const seconds = Math.max(0, (now() - Date.parse(time)) / 1000)
  if (seconds < 90) return `${Math.round(seconds)} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86400)} d`
}
const clockTime = (time) => new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
// with the day, where that is another one than today's
const dayAndTime = (time) => {
  const [at, today] = [new Date(time), new Date(now())]
  if (at.toDateString() === today.toDateString()) return clockTime(time)
  const year = at.getFullYear() === today.getFullYear() ? undefined : 'numeric'
  return `${at.toLocaleDateString([], { day: 'numeric', month: 'short', year })} ${clockTime(time)}`
}
// commit ids and tags made of them, as people read them
const readable = (text) => text.replace(/\b[0-9a-f]{40}\b/g, (id) => id.slice(0, 10))

// a moment that a sentence names, on the clock of who reads
const lasting = (text) => text.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, (time) => `${dayAndTime(time)} (${ago(time)} ago)`)

function mood(environment) {
  if (['Degraded', 'Unknown'].includes(environment.health) || environment.phase === 'Failed') return 'bad'
  if (environment.sync === undefined) return environment.phase === 'Verified' ? 'good' : 'busy'
  if (environment.sync === 'Synced' && environment.health === 'Healthy') return 'good'
  return 'busy'
}

// --- parts ---------------------------------------------------------------------------------------------------------

function gate(g) {
  const mark = { Passed: '✓', Failed: '✗' }[g.state] ?? '…'
  const detail = [g.value, g.needed && `needs ${g.needed}`, g.state === 'Waiting' && g.earliest && `not before ${dayAndTime(g.earliest)}`,
    g.state !== 'Passed' && g.whoCanAct && `can act: ${g.whoCanAct}`].filter(Boolean).join(' · ')
  const node = make('div', { className: `gate ${g.state}` }, make('span', { className: 'mark', textContent: mark }), make('span', { textContent: g.name }))
  if (g.state === 'Waiting' && g.since && g.earliest) {
    const [from, to] = [Date.parse(g.since), Date.parse(g.earliest)]
    const bar = make('progress', { max: 1, value: Math.min(1, Math.max(0, (now() - from) / Math.max(1, to - from))) })
    bar.dataset.from = from
    bar.dataset.to = to
    node.append(bar)
  }
  if (detail) {
    const text = make('span', { className: 'detail', textContent: lasting(detail) })
    text.dataset.lasting = detail
    node.append(text)
  }
  return node
}

function environmentCard(service, environment) {
  const pending = environment.next
  // whose Application may not be seen shows nothing of it
  const chips = make('div', { className: 'chips' }, ...[environment.sync, environment.health].filter(Boolean).map((text) => chip(text)))
  if (environment.phase && environment.phase !== 'Verified') chips.append(chip(environment.phase))
  if (environment.pinned) chips.append(chip('pinned', 'wait'))
  const since = environment.since ? make('span', { textContent: ago(environment.since) }) : ''
  if (since) since.dataset.since = environment.since
  const card = make('article', { className: `env ${mood(environment)}` },
    make('h3', {}, make('span', { textContent: environment.name, title: environment.purpose ?? '' }), make('small', {}, since)),
    make('div', { className: 'version', textContent: shortTag(environment.tag) ?? 'nothing yet', title: [environment.tag, environment.digest].filter(Boolean).join('\n') }),
    chips)
  for (const reason of environment.reasons ?? []) card.append(make('div', { className: 'facts', textContent: readable(reason) }))
  if (environment.pinned) card.append(make('div', { className: 'facts', textContent: `Pinned by ${environment.pinned.by}: ${environment.pinned.reason}` }))
  if (pending) {
    const box = make('div', { className: 'next' }, make('strong', { textContent: `${pending.phase === 'Waiting' ? 'Waiting' : pending.phase}: ${shortTag(pending.tag)}` }))
    if (pending.message) box.append(make('div', { className: 'facts', textContent: readable(pending.message) }))
    box.append(...(pending.gates ?? []).map(gate))
    card.append(box)
  }
  const away = environment.turnedAway
  if (away) {
    const who = away.by ? `Rejected by ${away.by}` : 'Kept out'
    const when = make('span', { textContent: ago(away.at), title: away.at })
    when.dataset.since = away.at
    card.append(make('div', { className: 'facts away' }, make('strong', { textContent: shortTag(away.tag) }), ` ${who} `, when, ` ago${away.reason ? `: ${readable(away.reason)}` : ''}`))
  }
  const where = { service: service.name, environment: environment.name }
  const offers = (environment.offers ?? []).map((offer) => offered(offer, where))
  if (offers.length) card.append(make('div', { className: 'actions' }, ...offers))
  return card
}

// What the server would do for who looks on, or a button that says why not.
const actions = {
  Approve: (offer, at) => ['Approve', 'primary', `${at.service} ${shortTag(offer.tag)} for ${at.environment}`, `/api/v1/promotions/${offer.promotion}/approve`],
  Reject: (offer, at) => ['Reject', '', `${at.service} ${shortTag(offer.tag)} for ${at.environment}`, `/api/v1/promotions/${offer.promotion}/reject`],
  Promote: (offer, at) => [`Promote ${shortTag(offer.tag)}`, '', `${at.service} ${shortTag(offer.tag)} to ${at.environment}: the gates still decide`,
    `/api/v1/pipelines/${at.service}/promote`, { environment: at.environment, release: offer.release }],
  RollBack: (offer, at) => ['Roll back', 'quiet', `${at.service} in ${at.environment} goes back to ${shortTag(offer.tag) || 'what ran before'}`,
    `/api/v1/pipelines/${at.service}/rollback`, { environment: at.environment }],
  Unpin: (offer, at) => ['Unpin', 'quiet', `${at.service}: releases come to ${at.environment} by themselves again`, `/api/v1/pipelines/${at.service}/unpin`, { environment: at.environment }],
  Lift: (offer, at) => [`Lift the quarantine of ${shortTag(offer.tag)}`, 'quiet', `${at.service} ${shortTag(offer.tag)} may be asked for again: the gates still decide`, `/api/v1/releases/${offer.release}/lift`],
}

function offered(offer, at) {
  const [text, className, about, path, body] = actions[offer.action](offer, at)
  // nobody asks why a pin is lifted
  const node = button(text, className, () => act(text, about, offer.consequences, path, body, offer.action !== 'Unpin'))
  if (!offer.refused) return node
  node.disabled = true
  node.title = offer.refused
  const why = make('small', { textContent: offer.refused })
  // who is waited for reads why it is not them; everybody else may ask
  return ['Approve', 'Reject'].includes(offer.action)
    ? make('span', { className: 'refused' }, node, why)
    : make('details', { className: 'refused' }, make('summary', { textContent: `${text}: why not?` }), why)
}

const button = (text, className, onclick) => make('button', { textContent: text, className, onclick })

function serviceLane(service) {
  const lane = make('div', { className: 'lane' }, ...service.environments.map((e) => environmentCard(service, e)))
  lane.style.setProperty('--columns', Math.max(1, service.environments.length))
  const problems = (service.problems ?? []).map((problem) => make('p', { className: 'problem', textContent: readable(problem), title: problem }))
  return make('section', { className: 'service' }, make('h2', {}, service.name, make('small', { textContent: (service.images ?? []).join(', ') })), ...problems, lane, ...quarantined(service))
}

function quarantined(service) {
  const lifts = (service.offers ?? []).map((offer) => offered(offer, { service: service.name }))
  return lifts.length ? [make('div', { className: 'actions' }, ...lifts)] : []
}

// Applications that somebody looks at closely, by name, with what was told of each.
const opened = new Map()

async function look(name) {
  const app = await call('GET', `/api/v1/applications/${encodeURIComponent(name)}`).catch((error) => ({ problem: error.message }))
  if (!opened.has(name)) return
  opened.set(name, app)
  draw()
}

function toggle(name) {
  if (opened.delete(name)) return draw()
  opened.set(name, null)
  look(name)
}

function closely(app) {
  if (!app) return make('span', { className: 'why', textContent: '…' })
  if (app.problem) return make('span', { className: 'why', textContent: app.problem })
  const destination = app.spec?.destination ?? {}
  const facts = [['Deploys to', [destination.name || destination.server, destination.namespace].filter(Boolean).join(' · ')],
    ['Synced to', app.status?.sync?.revision], ['Proven at', app.status?.provenAt]]
  return make('dl', { className: 'facts' }, ...facts.filter(([, value]) => value).flatMap(([name, value]) => [
    make('dt', { textContent: name }), make('dd', { textContent: readable(value), title: value })]))
}

function applicationRow(app) {
  const name = button(app.name, 'name', () => toggle(app.name))
  name.setAttribute('aria-expanded', opened.has(app.name))
  const row = make('div', { className: 'app' }, name, make('span', { className: 'chips' }, chip(app.sync), chip(app.health)))
  for (const reason of app.reasons ?? []) row.append(make('span', { className: 'why', textContent: reason }))
  if (opened.has(app.name)) row.append(closely(opened.get(app.name)))
  return row
}

function timelineRow(entry) {
  const why = [entry.reason, entry.actor && `by ${entry.actor}`].filter(Boolean).join(' · ')
  return make('li', {}, make('time', { textContent: dayAndTime(entry.time), dateTime: entry.time, title: entry.time }),
    make('div', {}, make('p', { textContent: readable(entry.message), title: entry.message }),
      why ? make('p', { className: 'why', textContent: readable(why) }) : '',
      entry.commit ? make('p', { className: 'why' }, 'commit ', make('code', { textContent: entry.commit.slice(0, 10) })) : ''))
}

// What somebody has to look at or decide comes first; the rest keeps its order.
function urgency(service) {
  const decides = (offer) => offer.action === 'Approve' && !offer.refused
  if (service.environments.some((e) => (e.offers ?? []).some(decides))) return 0
  if (service.problems?.length || service.environments.some((e) => mood(e) === 'bad')) return 1
  return service.environments.some((e) => e.next || mood(e) === 'busy') ? 2 : 3
}

// --- the picture ---------------------------------------------------------------------------------------------------

function draw() {
  if (!overview) return
  const trouble = overview.applications.filter((a) => a.sync !== 'Synced' || a.health !== 'Healthy')
  const decisions = overview.services.flatMap((service) => service.environments).filter((e) => e.next?.needsApproval).length
  const stopped = overview.services.filter((service) => service.problems?.length).length
  const counted = (count, one, many) => count && `${count} ${count === 1 ? one : many}`
  const parts = [counted(decisions, 'decision waits', 'decisions wait'), counted(stopped, 'Pipeline has a problem', 'Pipelines have problems'),
    trouble.length && `${trouble.length} of ${overview.applications.length} Applications need a look`].filter(Boolean)
  // that all is well is said only where nothing waits for anybody
  $('summary').textContent = parts.length ? parts.join(' · ') : `${overview.applications.length} Applications, all Synced and Healthy`
  $('badge').hidden = !overview.simulated
  $('services').replaceChildren(...(overview.services.length ? overview.services.toSorted((a, b) => urgency(a) - urgency(b)).map(serviceLane)
    : [make('p', { className: 'note', textContent: 'No Pipeline yet. Apply one: gantline pipeline list shows what a Pipeline sees.' })]))
  const shown = $('only-trouble').checked ? trouble : overview.applications
  $('applications').replaceChildren(...(shown.length ? shown.map(applicationRow) : [make('p', { className: 'note', textContent: 'Nothing needs a look.' })]))
  drawTimeline()
  tick()
}

// What was told before the picture's own entries, and what is asked for by a filter: page by page, the newest first.
const past = { entries: [], next: null, filter: '' }

function drawTimeline() {
  const names = ['', ...overview.services.map((service) => service.name)]
  const filter = $('timeline-of')
  if (filter.options.length !== names.length) filter.replaceChildren(...names.map((name) => make('option', { value: name, textContent: name || 'everything', selected: name === past.filter })))
  const own = past.filter ? [] : overview.timeline.slice().reverse()
  const seen = new Set(own.map((entry) => entry.mark))
  const all = [...own, ...past.entries.filter((entry) => !seen.has(entry.mark))]
  $('timeline').replaceChildren(...(all.length ? all.map(timelineRow) : [make('li', { textContent: 'Nothing is known of that.' })]))
  $('older').hidden = past.next === undefined
}

async function older() {
  const shown = past.filter ? past.entries : [...overview.timeline.slice(0, 1), ...past.entries]
  const before = past.next ?? shown.at(-1)?.mark
  const page = await call('GET', `/api/v1/timeline?${new URLSearchParams({ ...(before && { before }), ...(past.filter && { pipeline: past.filter }) })}`)
  past.entries.push(...page.items)
  past.next = page.continue
  drawTimeline()
}

function tick() {
  $('clock').textContent = overview ? clockTime(now()) : ''
  for (const node of document.querySelectorAll('[data-since]')) node.textContent = ago(node.dataset.since)
  for (const node of document.querySelectorAll('[data-lasting]')) node.textContent = lasting(node.dataset.lasting)
  for (const bar of document.querySelectorAll('progress[data-from]')) {
    bar.value = Math.min(1, Math.max(0, (now() - bar.dataset.from) / Math.max(1, bar.dataset.to - bar.dataset.from)))
  }
}

// as many as the server shows
const entriesMax = 60

function receive(data) {
  overview = { ...data, at: Date.parse(data.now), received: Date.now() }
  speed = data.speed ?? 1
  if (!document.querySelector('dialog[open]')) draw()
}

function merge(items, gone, changed) {
  const byName = new Map(items.map((item) => [item.name, item]))
  gone.forEach((name) => byName.delete(name))
  changed.forEach((item) => byName.set(item.name, item))
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function change(delta) {
  if (!overview) return
  receive({
    ...overview,
    now: delta.now,
    applications: merge(overview.applications, delta.gone.applications, delta.applications),
    services: merge(overview.services, delta.gone.services, delta.services),
    timeline: [...overview.timeline, ...delta.timeline].slice(-entriesMax),
  })
  delta.applications.filter((app) => opened.has(app.name)).forEach((app) => look(app.name))
}

function listen() {
  stream?.close()
  stream = new EventSource('/api/v1/stream/overview')
  stream.addEventListener('overview', (event) => receive(JSON.parse(event.data)))
  stream.addEventListener('delta', (event) => change(JSON.parse(event.data)))
  stream.onerror = () => { $('summary').textContent = 'Connection lost, trying again …' }
}

// --- people --------------------------------------------------------------------------------------------------------

function showLogin() {
  const dialog = $('login')
  if (dialog.open) return
  dialog.querySelector('.error').textContent = ''
  dialog.showModal()
}

$('login').querySelector('form').onsubmit = async (event) => {
  event.preventDefault()
  const form = event.target
  try {
    await call('POST', '/api/v1/session', { username: form.username.value, password: form.password.value })
    form.reset()
    $('login').close()
    await start()
  } catch (error) {
    form.querySelector('.error').textContent = error.message
  }
}

$('account').onclick = async () => {
  if (!user.loggedIn) return showLogin()
  await call('DELETE', '/api/v1/session')
  stream?.close()
  overview = null
  location.reload()
}

// no submit button: Enter means the first one of a form
for (const cancel of document.querySelectorAll('dialog .cancel')) cancel.onclick = () => cancel.closest('dialog').close()

function act(verb, about, consequences, path, body = {}, why = true) {
  const dialog = $('act')
  dialog.querySelector('h2').textContent = verb
  dialog.querySelector('.about').textContent = about
  dialog.querySelector('.consequences').replaceChildren(...(consequences ?? []).map((text) => make('li', { textContent: lasting(readable(text)) })))
  dialog.querySelector('.primary').textContent = verb
  dialog.querySelector('.error').textContent = ''
  const form = dialog.querySelector('form')
  form.reset()
  form.reason.parentElement.hidden = !why
  form.onsubmit = async (event) => {
    event.preventDefault()
    try {
      await call('POST', path, why ? { ...body, reason: form.reason.value } : body)
      dialog.close()
      draw()
    } catch (error) {
      dialog.querySelector('.error').textContent = error.message
    }
  }
  dialog.showModal()
}

$('theme').onclick = () => {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches
  const current = document.documentElement.dataset.theme ?? (dark ? 'dark' : 'light')
  document.documentElement.dataset.theme = current === 'dark' ? 'light' : 'dark'
  localStorage.setItem('theme', document.documentElement.dataset.theme)
}
if (localStorage.getItem('theme')) document.documentElement.dataset.theme = localStorage.getItem('theme')
$('only-trouble').onchange = draw
$('older').onclick = older
$('timeline-of').onchange = (event) => {
  Object.assign(past, { entries: [], next: null, filter: event.target.value })
  if (past.filter) older()
  else drawTimeline()
}
setInterval(tick, 1000)
// pushes that change nothing of an Application move where it is proven, and nothing else
setInterval(() => [...opened.keys()].forEach(look), 30000)

async function start() {
  user = await call('GET', '/api/v1/session/userinfo')
  $('account').textContent = user.loggedIn ? `${user.username} · log out` : 'Log in'
  $('slips').replaceChildren(...(user.slips ?? []).map((slip) => make('p', { className: 'problem', textContent: slip })))
  if (!user.loggedIn) return showLogin()
  listen()
}
start().catch((error) => { $('summary').textContent = error.message })
