// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The pictures that this browser stores over a reload (IndexedDB): those in the drop zones and those of each run.
// The service returns results and never a run's pictures, so they are stored here alone.

import type { Side } from "./sides";

/** A picture as it is sent. `scaledFrom`: its size before scaling; `cutout`: data URI of the service's cut-out. */
export interface Picture {
  name: string;
  blob: Blob;
  scaledFrom?: string;
  cutout?: string;
}
export type Pictures = Partial<Record<Side, Picture>>;

export const DROP_ZONES = "zones"; // the name of the drop zones' pictures; those of a run have the name of its job

const RUNS_MAX = 40; // runs whose pictures are stored; the oldest are deleted first

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

async function access<T>(
  mode: IDBTransactionMode,
  act: (pictures: IDBObjectStore) => IDBRequest<T>,
): Promise<T | undefined> {
  try {
    const database = await open();
    return await new Promise<T>((resolve, reject) => {
      const request = act(database.transaction("pictures", mode).objectStore("pictures"));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error ?? new Error("not stored"));
    });
  } catch {
    return undefined; // a private window stores nothing; the page works without
  }
}

export async function storePictures(name: string, pictures: Pictures): Promise<void> {
  await access("readwrite", (all) => all.put(pictures, name));
  const keys = (await access("readonly", (all) => all.getAllKeys())) ?? [];
  const stored = keys.map(String).filter((key) => key.startsWith("job_"));
  const order = JSON.parse(localStorage.getItem("fourview.runs") ?? "[]") as string[];
  const runs = order.filter((run) => stored.includes(run));
  if (name.startsWith("job_") && !runs.includes(name)) runs.push(name);
  for (const old of runs.splice(0, Math.max(0, runs.length - RUNS_MAX))) await deletePictures(old);
  localStorage.setItem("fourview.runs", JSON.stringify(runs));
}

export async function storedPictures(name: string): Promise<Pictures | undefined> {
  return await access<Pictures>("readonly", (all) => all.get(name) as IDBRequest<Pictures>);
}

export async function deletePictures(name: string): Promise<void> {
  await access("readwrite", (all) => all.delete(name));
}
