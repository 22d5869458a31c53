// Types of pinned-node.js, which is plain JavaScript so that any Node can run it.

/** The pinned Node's binary, or undefined where its package is not installed. */
export function pinnedNode(): string | undefined;
