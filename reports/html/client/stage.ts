/// <reference lib="dom" />
// Draws the panels when something changed, and turns pointer, wheel and touch into zooms, moves and
// picks. All panels share one pointer logic, so that none behaves differently.
import {
  drawGround,
  type Frame,
  GUTTER_PX,
  type Hit,
  type Panel,
  type Scroll,
  timeAt,
} from './panel.ts';
import type { RunData } from './run-data.ts';
import type { Theme } from './theme.ts';
import type { View } from './view.ts';

const DRAG_PX_MIN = 4;
/** A wheel that is scrolling the page goes on scrolling when a panel comes under the pointer. */
const SCROLLING_MS = 350;

interface Drawn {
  panel: Panel;
  canvas: HTMLCanvasElement;
  frame: Frame | undefined;
  /** Of a panel that scrolls: what scrolls it, and what stands for the height that is not drawn. */
  scroller?: { plot: HTMLElement; spacer: HTMLElement; wanted?: number | undefined };
}

export function byId<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page lacks the element #${id}`);
  return found as T;
}

export class Stage {
  readonly #root = byId('stage');
  readonly #tooltip = byId('tooltip');
  readonly #crosshair = byId('crosshair');
  readonly #brush = byId('brush');
  readonly #drawn: Drawn[];
  readonly #data: RunData;
  readonly #view: View;
  readonly #pick: (hit: Hit | undefined) => void;
  theme: Theme;
  #scheduled = false;
  #scrolledAt = Number.NEGATIVE_INFINITY;

  constructor(
    panels: readonly Panel[],
    data: RunData,
    view: View,
    theme: Theme,
    pick: (hit: Hit | undefined) => void,
  ) {
    this.#data = data;
    this.#view = view;
    this.theme = theme;
    this.#pick = pick;
    this.#drawn = panels.map((panel) => {
      const drawn: Drawn = { panel, canvas: byId(panel.id), frame: undefined };
      if (panel.scroll !== undefined) drawn.scroller = this.#scroller(panel.id, panel.scroll);
      return drawn;
    });
    window.addEventListener('scroll', () => (this.#scrolledAt = performance.now()), {
      passive: true,
    });
    new ResizeObserver(() => this.schedule()).observe(this.#root);
    for (const drawn of this.#drawn) this.#listen(drawn);
  }

  /** Draws all panels in the next frame, once. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      for (const drawn of this.#drawn) this.#draw(drawn);
    });
  }

  /** Scrolls a panel so that what begins `top` px below its beginning is in sight. */
  scrollTo(panel: Panel, top: number): void {
    const scroller = this.#drawn.find((drawn) => drawn.panel === panel)?.scroller;
    if (scroller === undefined) return;
    // Before the first drawing there is nothing yet to scroll.
    scroller.wanted = top;
    this.schedule();
  }

  #scroller(id: string, { heightMax }: Scroll): { plot: HTMLElement; spacer: HTMLElement } {
    const plot = byId(`plot-${id}`);
    const spacer = document.createElement('div');
    plot.classList.add('scrolls');
    plot.style.maxHeight = `${heightMax}px`;
    plot.append(spacer);
    plot.addEventListener('scroll', () => this.schedule(), { passive: true });
    return { plot, spacer };
  }

  get #width(): number {
    return Math.max(GUTTER_PX + 100, this.#root.clientWidth - 18);
  }

  #draw(drawn: Drawn): void {
    const { panel, canvas, scroller } = drawn;
    const width = this.#width;
    const wanted = panel.height(this.#data, this.#view);
    const height = Math.min(wanted, panel.scroll?.heightMax ?? wanted);
    if (panel.scroll !== undefined && scroller !== undefined) {
      scroller.spacer.style.height = `${wanted - height}px`;
      panel.scroll.top = scroller.plot.scrollTop;
      panel.scroll.height = height;
    }
    const ratio = window.devicePixelRatio || 1;
    const [pixelsWide, pixelsHigh] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== pixelsWide || canvas.height !== pixelsHigh) {
      canvas.width = pixelsWide;
      canvas.height = pixelsHigh;
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const ctx = canvas.getContext('2d');
    if (ctx === null) return;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, width, height);
    const frame: Frame = {
      ctx,
      width,
      height,
      ratio,
      data: this.#data,
      view: this.#view,
      theme: this.theme,
    };
    drawn.frame = frame;
    if (panel.bands) drawGround(frame);
    panel.draw(frame);
    if (scroller?.wanted !== undefined) {
      scroller.plot.scrollTop = scroller.wanted;
      scroller.wanted = undefined;
    }
  }

  #listen(drawn: Drawn): void {
    const { canvas } = drawn;
    const view = this.#view;
    let start: { x: number; from: number; until: number; shift: boolean } | undefined;
    const at = (event: MouseEvent): { x: number; y: number } => {
      const box = canvas.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      start = { x: at(event).x, from: view.from, until: view.until, shift: event.shiftKey };
    });
    canvas.addEventListener('pointermove', (event) => {
      const { x, y } = at(event);
      this.#cross(x);
      if (start === undefined) {
        this.#tell(drawn, x, y, event);
        return;
      }
      this.#tooltip.hidden = true;
      if (start.shift) {
        const perPx = (start.until - start.from) / (this.#width - GUTTER_PX);
        view.show(start.from - (x - start.x) * perPx, start.until - (x - start.x) * perPx);
      } else if (Math.abs(x - start.x) >= DRAG_PX_MIN) this.#brushOver(start.x, x);
    });
    canvas.addEventListener('pointerup', (event) => {
      if (start === undefined) return;
      const { x, y } = at(event);
      const { x: from, shift } = start;
      start = undefined;
      this.#brush.hidden = true;
      if (shift) return;
      if (Math.abs(x - from) < DRAG_PX_MIN) {
        this.#pick(drawn.frame && drawn.panel.hit(x, y, drawn.frame));
        return;
      }
      const times = [from, x].map((px) => timeAt(view, this.#width, Math.max(GUTTER_PX, px)));
      view.show(Math.min(...times), Math.max(...times));
    });
    canvas.addEventListener('pointercancel', () => {
      start = undefined;
      this.#brush.hidden = true;
    });
    canvas.addEventListener('pointerleave', () => {
      this.#tooltip.hidden = true;
      this.#crosshair.hidden = true;
    });
    canvas.addEventListener('dblclick', () => view.reset());
    canvas.addEventListener('wheel', (event) => this.#wheel(event, at(event).x), {
      passive: false,
    });
  }

  #wheel(event: WheelEvent, x: number): void {
    const view = this.#view;
    if (x < GUTTER_PX || performance.now() - this.#scrolledAt < SCROLLING_MS) return;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const by = event.deltaX === 0 ? event.deltaY : event.deltaX;
      event.preventDefault();
      view.move(by / 1_000);
      return;
    }
    // Zoomed out all the way, the wheel belongs to the page again.
    if (event.deltaY > 0 && view.isWhole) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    view.zoom(Math.exp(Math.max(-300, Math.min(300, pixels)) / 400), timeAt(view, this.#width, x));
  }

  #cross(x: number): void {
    this.#crosshair.hidden = x < GUTTER_PX;
    this.#crosshair.style.transform = `translateX(${Math.round(x)}px)`;
  }

  #brushOver(from: number, to: number): void {
    const left = Math.max(GUTTER_PX, Math.min(from, to));
    this.#brush.hidden = false;
    this.#brush.style.transform = `translateX(${left}px)`;
    this.#brush.style.width = `${Math.max(from, to) - left}px`;
  }

  #tell(drawn: Drawn, x: number, y: number, event: MouseEvent): void {
    const hit = drawn.frame && drawn.panel.hit(x, y, drawn.frame);
    const tip = this.#tooltip;
    tip.hidden = hit === undefined;
    if (hit === undefined) return;
    const title = document.createElement('b');
    title.textContent = hit.title;
    tip.replaceChildren(title, hit.lines.join('\n'));
    const { offsetWidth: wide, offsetHeight: high } = tip;
    const right = event.clientX + 16 + wide > window.innerWidth;
    const left = right ? event.clientX - 16 - wide : event.clientX + 16;
    const top = Math.min(event.clientY + 16, window.innerHeight - high - 8);
    tip.style.transform = `translate(${Math.max(8, left)}px,${Math.max(8, top)}px)`;
  }
}
