// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// What this browser keeps over a reload: the pictures in the drop zones, and those of each run. Nothing else knows them,
// since the service hands out results and no inputs.

import type { Side } from "./api";

/** A picture as it is sent; `scaledFrom` is its size before where it was larger, `cutout` what the service cut out of it. */
export interface Picture {
  name: string;
  blob: Blob;
  scaledFrom?: string;
  cutout?: string;
}
export type Pictures = Partial<Record<Side, Picture>>;

const RUNS_MAX = 40; // of whose pictures the oldest go

let opened: Promise<IDBDatabase> | undefined;

function open(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("fourview", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("pictures");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("no database"));
  });
  return opened;
}

async function store<T>(
  mode: IDBTransactionMode,
  act: (pictures: IDBObjectStore) => IDBRequest<T>,
): Promise<T | undefined> {
  try {
    const database = await open();
    return await new Promise<T>((resolve, reject) => {
      const request = act(database.transaction("pictures", mode).objectStore("pictures"));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error ?? new Error("not kept"));
    });
  } catch {
    return undefined; // a private window keeps nothing, and the page works without
  }
}

export async function keep(name: string, pictures: Pictures): Promise<void> {
  await store("readwrite", (all) => all.put(pictures, name));
  const names = ((await store("readonly", (all) => all.getAllKeys())) ?? [])
    .map(String)
    .filter((known) => known.startsWith("job_"));
  const runs = (JSON.parse(localStorage.getItem("fourview.runs") ?? "[]") as string[]).filter((known) =>
    names.includes(known),
  );
  if (name.startsWith("job_") && !runs.includes(name)) runs.push(name);
  for (const old of runs.splice(0, Math.max(0, runs.length - RUNS_MAX))) await forget(old);
  localStorage.setItem("fourview.runs", JSON.stringify(runs));
}

export async function kept(name: string): Promise<Pictures | undefined> {
  return await store<Pictures>("readonly", (all) => all.get(name) as IDBRequest<Pictures>);
}

export async function forget(name: string): Promise<void> {
  await store("readwrite", (all) => all.delete(name));
}
