// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// Scales a large picture down before it is sent: a phone's picture has ten times the bytes that the service uses.

import type { Picture } from "./picture_store";

const LONG_SIDE_PX = 2048; // the service reduces larger pictures to this
const SIDE_MIN_PX = 16; // the smallest side that the service accepts
const JPEG_QUALITY = 0.92;

/**
 * The picture of a file, scaled down where it is larger than the service uses. The browser decodes and scales it in
 * threads of its own. Throws where the file is not a picture.
 */
export async function shrink(file: File): Promise<Picture> {
  const whole = await createImageBitmap(file); // upright: the browser applies the EXIF orientation
  const { width, height } = whole;
  try {
    const scale = LONG_SIDE_PX / Math.max(width, height);
    if (scale >= 1) return { name: file.name, blob: file };
    return { name: file.name, blob: await scaled(whole, scale), scaledFrom: `${width} × ${height}` };
  } catch {
    return { name: file.name, blob: file }; // the browser lacks the memory; the service may have it
  } finally {
    whole.close();
  }
}

async function scaled(whole: ImageBitmap, scale: number): Promise<Blob> {
  const width = Math.max(SIDE_MIN_PX, Math.round(whole.width * scale));
  const height = Math.max(SIDE_MIN_PX, Math.round(whole.height * scale));
  const small = await createImageBitmap(whole, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) throw new Error("no canvas");
  context.drawImage(small, 0, 0);
  small.close();
  const hasAlpha = hasClearPixel(context.getImageData(0, 0, width, height).data);
  return await canvas.convertToBlob(hasAlpha ? { type: "image/png" } : { type: "image/jpeg", quality: JPEG_QUALITY });
}

function hasClearPixel(rgba: Uint8ClampedArray): boolean {
  for (let at = 3; at < rgba.length; at += 4) if (rgba[at] !== 255) return true;
  return false;
}
