/// <reference lib="dom" />
// Colours for the canvases, read from the style sheet so that light and dark are defined once, and a
// stripe for each kind of fault, so that kinds are told apart without colour too.
import type { PageFault } from '../page-data.ts';
import type { OutcomeName } from './run-data.ts';

export interface Theme {
  color(name: string): string;
  /** The same colour, see-through. */
  tint(name: string, alpha: number): string;
  outcomes: Record<OutcomeName, string>;
  stripes(kind: PageFault['kind']): CanvasPattern | string;
  font: string;
}

const ANGLES: Record<PageFault['kind'], number> = {
  cut: 45,
  kill: 135,
  pause: 90,
  slow: 0,
  lose: 20,
  throttle: 70,
  skew: 110,
  disk: 160,
  crash: 30,
};
const STRIPE_ALPHA = 0.17;
const STRIPE_GAP_PX = 7;

/** Reads the colours now in force. */
export function readTheme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const colors = new Map<string, string>();
  const patterns = new Map<string, CanvasPattern | string>();
  const color = (name: string): string => {
    let value = colors.get(name);
    if (value === undefined) {
      value = style.getPropertyValue(`--${name}`).trim();
      colors.set(name, value);
    }
    return value;
  };
  const tint = (name: string, alpha: number): string => {
    const [r, g, b] = rgb(color(name));
    return `rgba(${r},${g},${b},${alpha})`;
  };
  return {
    color,
    tint,
    outcomes: { ok: color('ok'), info: color('info'), fail: color('fail') },
    stripes(kind) {
      let pattern = patterns.get(kind);
      if (pattern === undefined) {
        pattern = stripePattern(tint(kind, STRIPE_ALPHA), ANGLES[kind]) ?? tint(kind, STRIPE_ALPHA);
        patterns.set(kind, pattern);
      }
      return pattern;
    },
    font: style.getPropertyValue('--sans'),
  };
}

/** Red, green, blue of a `#rgb` or `#rrggbb`. */
export function rgb(hex: string): [number, number, number] {
  const digits = hex.slice(1);
  const full = digits.length === 3 ? [...digits].map((d) => d + d).join('') : digits;
  const value = Number.parseInt(full, 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

// A tile with one horizontal stripe, turned by the pattern's own transform: seamless at any angle.
function stripePattern(color: string, angle: number): CanvasPattern | null {
  const tile = document.createElement('canvas');
  tile.width = STRIPE_GAP_PX;
  tile.height = STRIPE_GAP_PX;
  const ctx = tile.getContext('2d');
  if (ctx === null) return null;
  ctx.fillStyle = color;
  ctx.fillRect(0, 0, STRIPE_GAP_PX, 2);
  const pattern = ctx.createPattern(tile, 'repeat');
  pattern?.setTransform(new DOMMatrix().rotate(angle));
  return pattern;
}
