// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// What holds for the whole visit: the service, who is signed in, the open tab, what the page announces.

import { computed, effect, signal } from "@preact/signals";
import type { Model } from "./api";
import { ask, askJson, asRefusal, credits, isAway, key, type Refusal, storeKey } from "./api";
import type { OpenApi } from "./openapi";

const TABS = ["make", "models", "docs", "account"] as const;
const BACK_MS = 8000; // how long the page shows that the service answers again
const SHARED_MODEL = /^\/api\/v1\/jobs\/job_[0-9a-f]+\/files\/model\.glb\?/;

export type Tab = (typeof TABS)[number];

export const tab = signal<Tab>(tabOf(location.hash));
export const needsKey = signal(true);
export const openApi = signal<OpenApi | null>(null);
export const models = signal<Model[]>([]);
export const refusal = signal<Refusal | null>(null); // why the last action failed
export const isBack = signal(false); // the service answers again, since a moment
export const sharedModel = signal<string | null>(null); // path of the model that a copied link shows
export const announcement = signal(""); // read aloud by screen readers

export const isSignedIn = computed(() => !needsKey.value || key.value !== "");

function tabOf(hash: string): Tab {
  return TABS.find((name) => name === hash.slice(1)) ?? "make";
}

/** Ask what this service is and accepts. */
export async function describeService(): Promise<void> {
  try {
    const [about, document] = await Promise.all([
      ask<{ needs_key: boolean }>("/.well-known/fourview"),
      ask<OpenApi>("/openapi.json"),
    ]);
    needsKey.value = about.needs_key;
    openApi.value = document;
  } catch (error) {
    refusal.value = asRefusal(error);
  }
}

/** Ask for the credits of this key and the engines. */
export async function loadAccount(): Promise<void> {
  const [account, found] = await Promise.all([
    ask<{ credits: number | null }>("/api/v1/keys/self"),
    ask<{ data: Model[] }>("/api/v1/models"),
  ]);
  credits.value = account.credits;
  models.value = found.data;
  refusal.value = null;
}

/** Show what the address names: a tab, a shared model, or a sign-in link, which works once. */
export async function followAddress(): Promise<void> {
  const word = /^#signin=([A-Za-z0-9_-]+)$/.exec(location.hash)?.[1];
  if (word) {
    history.replaceState(null, "", "/");
    try {
      storeKey((await askJson<{ key: string }>("/api/v1/signin", { word })).key);
    } catch (error) {
      refusal.value = asRefusal(error);
    }
  }
  const path = new URLSearchParams(location.hash.slice(1)).get("view") ?? "";
  sharedModel.value = SHARED_MODEL.test(path) ? path : null;
  tab.value = tabOf(location.hash);
}

/** Set `isBack` for a moment when the service answers again. */
export function watchReturn(): void {
  let wasAway = false;
  effect(() => {
    if (isAway.value) isBack.value = false;
    else if (wasAway) {
      isBack.value = true;
      setTimeout(() => {
        isBack.value = false;
      }, BACK_MS);
    }
    wasAway = isAway.value;
  });
}
