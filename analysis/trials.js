// Trials as points: two menus choose what stands on the axes; the pointer, or a tap, names a trial and its run.
function drawTrials(place, trials) {
  const size = [640, 420], edge = {left: 62, right: 12, top: 12, bottom: 46};
  const ends = [[edge.left, size[0] - edge.right], [size[1] - edge.bottom, edge.top]];
  const chosen = [trials.x, trials.y];
  const make = (name, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const number = (value) => String(Number(value.toPrecision(4)));
  const menus = [1, 0].map((axis) => {
    const menu = document.createElement("select");
    menu.setAttribute("aria-label", axis ? "upright axis" : "level axis");
    for (const name of trials.metrics) menu.add(new Option(name, name, false, name === chosen[axis]));
    menu.onchange = () => { chosen[axis] = menu.value; draw(); };
    return menu;
  });
  const picture = make("svg", {viewBox: `0 0 ${size[0]} ${size[1]}`, role: "img"});
  const said = document.createElement("p");
  said.className = "note";
  said.textContent = "A point is a trial: the pointer, or a tap, names it.";

  function draw() {
    picture.replaceChildren();
    const shown = trials.points.filter((point) => chosen.every((name) => point.values[name] !== null));
    const scales = chosen.map((name, axis) => {
      const values = shown.map((point) => point.values[name]);
      const low = Math.min(...values), high = Math.max(...values), room = (high - low || Math.abs(high) || 1) * 0.06;
      const from = low - room, span = high - low + 2 * room;
      return {from, span, at: (value) => ends[axis][0] + (value - from) / span * (ends[axis][1] - ends[axis][0])};
    });
    for (let tick = 0; tick <= 4; tick++) {
      const [x, y] = scales.map((scale) => scale.from + scale.span * (0.06 + 0.22 * tick));
      picture.append(make("line", {x1: scales[0].at(x), x2: scales[0].at(x), y1: ends[1][0], y2: ends[1][1], class: "grid"}));
      picture.append(make("line", {y1: scales[1].at(y), y2: scales[1].at(y), x1: ends[0][0], x2: ends[0][1], class: "grid"}));
      picture.append(make("text", {x: scales[0].at(x), y: ends[1][0] + 18, "text-anchor": "middle"}, number(x)));
      picture.append(make("text", {x: ends[0][0] - 6, y: scales[1].at(y) + 4, "text-anchor": "end"}, number(y)));
    }
    picture.append(make("text", {x: (ends[0][0] + ends[0][1]) / 2, y: size[1] - 6, "text-anchor": "middle"}, trials.titles[chosen[0]]));
    for (const point of shown) {
      const [x, y] = scales.map((scale, axis) => scale.at(point.values[chosen[axis]]));
      const dot = make("circle", {cx: x, cy: y, r: 6, fill: trials.colours[point.group], class: "trial"});
      const values = chosen.map((name) => number(point.values[name])).join(", ");
      dot.append(make("title", {}, `${point.text}: ${values}`));
      dot.onpointerenter = dot.onclick = () => { said.textContent = `${point.text}: ${values}`; };
      picture.append(dot);
    }
  }
  const legend = document.createElement("p");
  for (const group in trials.colours) {
    const key = document.createElement("span");
    key.className = "key";
    key.style.setProperty("--colour", trials.colours[group]);
    key.textContent = group;
    legend.append(key, " ");
  }
  const line = document.createElement("p");
  line.append(menus[0], " against ", menus[1]);
  place.append(line, picture, legend, said);
  draw();
}
