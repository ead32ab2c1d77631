# JupyterLab with the notebooks, without a GPU and without a local installation:
#   docker build --tag vsreid-lite .
#   docker run --rm --publish 8888:8888 vsreid-lite     and open the address that it prints
FROM python:3.11-slim
RUN useradd --create-home student && python -m pip install --no-cache-dir uv
RUN --mount=type=bind,target=/source \
    uv pip install --system --no-cache --torch-backend cpu --constraint /source/requirements.lock "/source[video,painter]"
USER student
WORKDIR /home/student
RUN vsreid doctor && vsreid notebooks notebooks
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "notebooks"]
