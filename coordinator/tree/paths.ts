// What a znode's path may look like and how it divides into parent and name. One place, because the
// preparer, the tree and the snapshot must agree on it to the character.

/** Where the ensemble is written down. */
export const CONFIG_PATH = '/zookeeper/config';

/** Paths that cannot be deleted. Source: DataTree.isSpecialPath. */
export const SPECIAL_PATHS: readonly string[] = [
  '/',
  '/zookeeper',
  CONFIG_PATH,
  '/zookeeper/quota',
];

const SLASH = 0x2f;
const DOT = 0x2e;

function isForbidden(c: number): boolean {
  return (
    c <= 0x1f ||
    (c >= 0x7f && c <= 0x9f) ||
    (c >= 0xd800 && c <= 0xf8ff) ||
    (c >= 0xfff0 && c <= 0xffff)
  );
}

/** Whether a path is well formed. Source: PathUtils.validatePath of ZooKeeper 3.8. */
export function isValidPath(path: string): boolean {
  const size = path.length;
  if (size === 0 || path.charCodeAt(0) !== SLASH) return false;
  if (size === 1) return true;
  // A slash that is imagined after the end closes the last name, and makes `/a/` an empty one.
  let nameLength = 0;
  let dots = 0;
  for (let i = 1; i <= size; i++) {
    const c = i === size ? SLASH : path.charCodeAt(i);
    if (c === SLASH) {
      if (nameLength === 0 || (dots === nameLength && dots <= 2)) return false;
      nameLength = 0;
      dots = 0;
      continue;
    }
    if (isForbidden(c)) return false;
    nameLength++;
    if (c === DOT) dots++;
  }
  return true;
}

/** The path of the parent: `/a/b` → `/a`, `/a` → `/`. Not for the root. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? '/' : path.slice(0, slash);
}

/** The last part of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The ten characters a sequential node gets, as Java's %010d, also once the counter has wrapped. */
export function sequenceSuffix(counter: number): string {
  if (counter < 0) return `-${String(-counter).padStart(9, '0')}`;
  return String(counter).padStart(10, '0');
}
