// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The settings of the next run: the parameters that the service describes, their values, the engine, the price.

import { computed, effect, signal } from "@preact/signals";
import type { Plan, Recipe, Value } from "./api";
import { askJson, asRefusal, type Refusal } from "./api";
import { bodySchema } from "./openapi";
import { isSignedIn, models, openApi } from "./session";
import { FRONT } from "./sides";

/** A parameter of the recipe; `fallback` is its default. */
export interface Field {
  name: string;
  type: "integer" | "number" | "string";
  optional: boolean;
  choices: string[] | null;
  low: number | null;
  high: number | null;
  text: string;
  fallback: Value;
}

const RECIPE = "fourview.recipe";
const PRICE_MS = 250; // after the last change
const PIXEL = "data:image/png;base64,iVBORw0KGgo="; // a price needs a picture in the request and does not read it

export const recipe = signal<Recipe>(storedRecipe());
export const plan = signal<Plan | null>(null);
export const planRefusal = signal<Refusal | null>(null);

export const fields = computed<Field[]>(() => {
  const parameters = bodySchema(openApi.value, "/api/v1/jobs", "json")?.properties?.recipe?.properties ?? {};
  return Object.entries(parameters).map(([name, schema]) => {
    const types = [schema.type ?? "string"].flat();
    return {
      name,
      type: types[0] as Field["type"],
      optional: types.includes("null"),
      choices: schema.enum?.filter((choice) => choice !== null).map(String) ?? null,
      low: schema.minimum ?? null,
      high: schema.maximum ?? null,
      text: schema.description ?? "",
      fallback: schema.default ?? null,
    };
  });
});
export const engine = computed(() => {
  const name = recipe.value.engine ?? models.value.find((model) => model.is_default)?.id;
  return models.value.find((model) => model.id === name) ?? null;
});
/** The parameters that were set and that the chosen engine reads. */
export const chosenParameters = computed<Recipe>(() => {
  const known = engine.value?.parameters;
  return Object.fromEntries(Object.entries(recipe.value).filter(([name]) => !known || known.includes(name)));
});

function storedRecipe(): Recipe {
  try {
    return JSON.parse(localStorage.getItem(RECIPE) ?? "{}") as Recipe;
  } catch {
    return {};
  }
}

/** Set a parameter; undefined: back to its default. */
export function setParameter(name: string, value: Value | undefined): void {
  const { [name]: _, ...rest } = recipe.value;
  recipe.value = value === undefined ? rest : { ...rest, [name]: value };
}

/** From now on store every change, and ask for the price of it. */
export function watchRecipe(): void {
  effect(() => localStorage.setItem(RECIPE, JSON.stringify(recipe.value)));
  let waiting: ReturnType<typeof setTimeout> | undefined;
  effect(() => {
    const parameters = chosenParameters.value;
    if (!isSignedIn.value || !models.value.length) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => void askPrice(parameters), plan.peek() ? PRICE_MS : 0);
  });
}

async function askPrice(parameters: Recipe): Promise<void> {
  const priced = typeof parameters.seed === "string" ? { ...parameters, seed: 1 } : parameters; // JSON has no long seed
  try {
    plan.value = await askJson<Plan>("/api/v1/jobs?dry_run=true", { [FRONT]: PIXEL, recipe: priced });
    planRefusal.value = null;
  } catch (error) {
    planRefusal.value = asRefusal(error);
  }
}
