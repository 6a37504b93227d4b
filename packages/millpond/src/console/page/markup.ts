// The skeleton of the page: what does not change, by its landmarks.

export const MARKUP: string = `
<a class="skip" href="#pool">To the pool</a>
<header>
  <div class="mark">
    <svg viewBox="0 0 26 26" aria-hidden="true"><path d="M2 9c4-4 7 4 11 0s7 4 11 0M2 16c4-4 7 4 11 0s7 4 11 0"/></svg>
    <h1>millpond</h1>
  </div>
  <span id="link" class="pill" role="status">connecting</span>
  <span id="process" class="quiet num"></span>
  <span id="mode" class="quiet"></span>
</header>
<div id="lost" role="alert" hidden></div>
<div class="frame">
  <nav aria-label="Pools">
    <div class="find">
      <label for="search" class="quiet">Find a pool</label>
      <input id="search" type="search" autocomplete="off" spellcheck="false">
    </div>
    <ul id="pools"></ul>
    <p id="more" class="quiet find" hidden></p>
  </nav>
  <main id="pool" tabindex="-1" aria-labelledby="name">
    <div class="head"><h2 id="name">No pool yet</h2><span id="state" class="pill" hidden></span><span id="peaks" class="quiet"></span></div>
    <div id="tabs" role="tablist" aria-label="Views">
      <button role="tab" id="tab-now" aria-controls="panel-now">Now</button>
      <button role="tab" id="tab-slow" aria-controls="panel-slow">Why slow</button>
      <button role="tab" id="tab-holds" aria-controls="panel-holds">Who holds</button>
      <button role="tab" id="tab-events" aria-controls="panel-events">Events</button>
      <button role="tab" id="tab-config" aria-controls="panel-config">Config</button>
    </div>
    <section role="tabpanel" id="panel-now" aria-labelledby="tab-now" tabindex="0">
      <div class="tiles" id="tiles"></div>
      <div class="card"><h3>Places <span id="first" class="quiet"></span></h3>
        <div class="slots" id="slots" role="img"></div><div class="legend" id="slot-legend"></div></div>
      <div class="card scroll" id="lanes" hidden><h3>Lanes</h3><div></div></div>
      <div class="card">
        <h3>The last minutes</h3><canvas id="timeline" role="img"></canvas><div class="legend" id="line-legend"></div>
      </div>
    </section>
    <section role="tabpanel" id="panel-slow" aria-labelledby="tab-slow" tabindex="0" hidden>
      <div class="card verdict" id="verdict"></div>
      <div class="three" id="histograms"></div>
      <div class="card"><h3>Served per second, by size</h3><div id="sizes"></div></div>
    </section>
    <section role="tabpanel" id="panel-holds" aria-labelledby="tab-holds" tabindex="0" hidden>
      <div class="card scroll"><h3>Held now, longest first</h3><div id="holders"></div></div>
      <div class="card scroll"><h3>Long holds since the console was opened</h3><div id="long"></div></div>
    </section>
    <section role="tabpanel" id="panel-events" aria-labelledby="tab-events" tabindex="0" hidden>
      <div class="card">
        <form class="row" id="filter">
          <label>Pools<select id="scope"><option value="this">this pool</option><option value="all">all</option></select></label>
          <label>Kind<select id="kind"><option value="">all</option><option value="trouble">trouble</option></select></label>
        </form>
        <p id="left" class="quiet" hidden></p><ol class="events" id="events"></ol></div>
    </section>
    <section role="tabpanel" id="panel-config" aria-labelledby="tab-config" tabindex="0" hidden>
      <div class="card" id="doing" hidden><h3>Change</h3>
        <form class="row" id="resize"><label>min<input id="min" type="number" min="0" required></label>
          <label>max<input id="max" type="number" min="1" required></label><button class="do">Resize</button></form>
        <p class="row"><button class="do" data-do="pause">Pause</button> <button class="do" data-do="resume">Resume</button>
          <button class="do" data-do="evict">Replace all resources</button>
          <button class="do" data-do="captureStacks">Keep stacks for a minute</button></p></div>
      <div class="card scroll"><h3>Settings</h3><div id="settings"></div></div>
    </section>
    <p id="said" role="status" aria-live="polite" class="quiet"></p>
  </main>
</div>
`;
