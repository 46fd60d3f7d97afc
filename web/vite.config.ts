// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The page is built into the Python package, whose service serves it at / (service/routes/page.py).

import { readFileSync } from "node:fs";
import { defineConfig } from "vite";

const service = "http://127.0.0.1:8000"; // that `npx vite` talks to while the page is worked on

const FONTS = ["schibsted-grotesk", "jetbrains-mono"];
const licenceOf = (font: string) => readFileSync(`node_modules/@fontsource-variable/${font}/LICENSE`, "utf8");

export default defineConfig({
  plugins: [
    {
      name: "licences-of-fonts",
      generateBundle() {
        this.emitFile({ type: "asset", fileName: "assets/fonts.md", source: FONTS.map(licenceOf).join("\n\n") });
      },
    },
  ],
  build: {
    outDir: "../src/fourview/service/page",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the page's policy has no data: for fonts and icons
    modulePreload: { polyfill: false },
    license: { fileName: "assets/licences.md" }, // what the bundle holds of others
    chunkSizeWarningLimit: 800, // three.js, which is loaded when the first model is shown
  },
  server: {
    proxy: Object.fromEntries(
      ["/api", "/samples", "/errors", "/openapi.json", "/.well-known"].map((path) => [path, service]),
    ),
  },
});
